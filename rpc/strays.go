package rpc

import (
	"fmt"
	"slices"
	"time"
)

const (
	maxTombstones = 1024
	maxRecent     = 256

	maxUnasked = 100 // answers to ids that were never sent, in a minute
)

// tombstone stands for a call whose caller left after it was sent.
type tombstone struct {
	id     uint64
	method string
}

// tombstones are the newest of them. Looking one up takes a scan, since that happens only for answers that nobody waits for.
type tombstones struct {
	ring []tombstone
	next int // to be overwritten once the ring is full
}

func (t *tombstones) add(stone tombstone) {
	if len(t.ring) < maxTombstones {
		t.ring = append(t.ring, stone)
		return
	}
	t.ring[t.next] = stone
	t.next = (t.next + 1) % maxTombstones
}

// remove looks the method of an abandoned call up and forgets the call.
func (t *tombstones) remove(id uint64) (method string, ok bool) {
	i := slices.IndexFunc(t.ring, func(stone tombstone) bool { return stone.id == id })
	if i < 0 {
		return "", false
	}
	method = t.ring[i].method
	t.ring[i] = tombstone{}
	return method, true
}

// recent is the ids that were answered last.
type recent struct {
	ring [maxRecent]uint64
	next int
}

func (r *recent) add(id uint64) {
	r.ring[r.next] = id
	r.next = (r.next + 1) % maxRecent
}

func (r *recent) has(id uint64) bool { return slices.Contains(r.ring[:], id) }

// strayLocked says what an answer to id is, to which no call waits.
func (c *Conn) strayLocked(id uint64) Stray {
	if id == 0 { // no call has it: it stands for an id of another form than ours
		return Stray{Kind: StrayUnknownID}
	}
	if method, ok := c.left.remove(id); ok {
		c.answered.add(id)
		return Stray{Kind: StrayLate, ID: id, Method: method}
	}
	if c.answered.has(id) {
		return Stray{Kind: StrayDuplicate, ID: id}
	}
	return Stray{Kind: StrayUnknownID, ID: id}
}

// unasked counts, for a minute at a time, the answers to ids that were never sent. It is the reader's.
type unasked struct {
	n     int
	since time.Duration // by clock
}

// add counts one, and reports whether the peer makes answers up: no network and no slow caller brings so many.
func (u *unasked) add(now time.Duration) bool {
	if u.n == 0 || now-u.since > time.Minute {
		u.n, u.since = 0, now
	}
	u.n++
	return u.n > maxUnasked
}

// heed counts a stray that answers what was never asked. An error means that there are too many of them.
func (c *Conn) heed(stray Stray) error {
	if stray.Kind != StrayUnknownID || c.hasSent(stray.ID) || !c.unasked.add(clock()) {
		return nil
	}
	return fmt.Errorf("%w: more than %d answers in a minute to ids that were never sent", ErrMalformed, maxUnasked)
}

func (c *Conn) hasSent(id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids.has(id)
}

// report tells of a stray. It is called by the reader.
func (c *Conn) report(stray Stray) {
	c.counters.strays[stray.Kind].Add(1)
	if c.cfg.OnStray != nil {
		c.cfg.OnStray(stray)
	}
	if c.cfg.Observer != nil {
		c.cfg.Observer.Stray(stray)
	}
}
