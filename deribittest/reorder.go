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

// heldReply is a reply that others may overtake.
type heldReply struct {
	category category
	reply    outgoing
}

func categoryOf(method string) category {
	name, isPrivate := strings.CutPrefix(method, "private/")
	switch {
	case !isPrivate:
		return public
	case name == "buy", name == "sell", strings.HasPrefix(name, "cancel"), name == "edit", name == "close_position":
		return matching
	}
	return private
}

// answer queues a reply. With Config.Reorder some replies, chosen by the seed, wait a little for those of other categories.
func (ex *exchange) answer(c *conn, reply outgoing) {
	if !ex.cfg.Reorder {
		c.push(reply)
		return
	}
	c.replies++
	cat := categoryOf(reply.method)
	hold := ex.coin(c.id, c.replies)
	for _, h := range c.held {
		hold = hold || h.category == cat
	}
	if !hold {
		c.push(reply)
		c.release()
		return
	}
	c.held = append(c.held, heldReply{cat, reply})
	if c.heldDue.IsZero() {
		c.heldDue = time.Now().Add(heldFor)
		signal(c.mind)
	}
}

// release queues the replies held.
func (c *conn) release() {
	held := c.held
	c.held, c.heldDue = nil, time.Time{}
	for _, h := range held {
		c.push(h.reply)
	}
}

// coin is true for half of all replies, by the seed alone.
func (ex *exchange) coin(conn, n uint64) bool {
	x := ex.cfg.Seed + conn*0x9e3779b97f4a7c15 + n*0xbf58476d1ce4e5b9
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	return x>>63 == 1
}
