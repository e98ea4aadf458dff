package deribittest

import (
	"strings"
	"time"
)

// heldFor is how long a reply waits for others to overtake it.
const heldFor = 2 * time.Millisecond

// category is the pool of workers that serves a call. Replies of one pool keep their order.
type category int

const (
	public category = iota
	private
	matching
)

func categoryOf(method string) category {
	name, isPrivate := strings.CutPrefix(method, "private/")
	switch {
	case !isPrivate:
		return public
	case name == "buy", name == "sell", name == "edit", name == "edit_by_label", strings.HasPrefix(name, "cancel"):
		return matching
	}
	return private
}

// answer queues a reply. With Config.Reorder some replies, chosen by the seed, wait a little for one of another category,
// which goes out before them.
func (ex *exchange) answer(c *conn, reply outgoing) {
	if !ex.cfg.Reorder {
		c.push(reply)
		return
	}
	c.replies++
	cat := categoryOf(reply.method)
	switch {
	case len(c.held) > 0 && c.heldOf != cat:
		c.push(reply)
		c.release()
	case len(c.held) > 0, ex.coin(c.id, c.replies):
		c.hold(cat, reply)
	default:
		c.push(reply)
	}
}

// hold keeps a reply back. All that are held at one time are of one category, so that it keeps its order.
func (c *conn) hold(cat category, reply outgoing) {
	c.held, c.heldOf = append(c.held, reply), cat
	if c.heldDue.IsZero() {
		c.heldDue = time.Now().Add(heldFor)
		signal(c.mind)
	}
}

// release queues the replies held.
func (c *conn) release() {
	held := c.held
	c.held, c.heldDue = nil, time.Time{}
	for _, reply := range held {
		c.push(reply)
	}
}

// caused is a notification that a call of its own connection has caused.
type caused struct {
	key   subKey
	frame []byte
}

// followReply queues what a call has caused, where that comes behind its reply.
func (ex *exchange) followReply(c *conn) {
	behind := c.caused
	c.isBehind, c.caused = false, nil
	for _, n := range behind {
		ex.notify(c, n.key, n.frame)
	}
}

// chance is true for half of all that Config.Reorder leaves to chance beside replies.
func (ex *exchange) chance(c *conn) bool {
	if !ex.cfg.Reorder {
		return false
	}
	c.chances++
	return ex.coin(c.id, ^c.chances)
}

// coin is true for half of all replies, by the seed alone.
func (ex *exchange) coin(conn, n uint64) bool {
	x := ex.cfg.Seed + conn*0x9e3779b97f4a7c15 + n*0xbf58476d1ce4e5b9
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	return x>>63 == 1
}
