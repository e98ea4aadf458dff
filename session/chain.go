package session

import (
	"bytes"
	"sync/atomic"
)

// chain follows the change ids of a book: each delta names the message before it. follow is called by the reader alone.
type chain struct {
	isBook    bool         // else there is no chain
	broken    atomic.Bool  // from a break, or a delta before the first snapshot, to the next snapshot
	last      atomic.Int64 // change id of the last message in the chain, 0 before the first
	asked     atomic.Bool  // the session has asked for a snapshot that has not come yet
	vacant    atomic.Bool  // and the exchange may have been told to send nothing, and has not confirmed the book again
	snapshots atomic.Uint64
	breaks    atomic.Uint64
}

// place is where a message stands to its chain.
type place uint8

const (
	follows  place = iota
	begins         // a snapshot
	resumes        // a snapshot that was asked for; what it holds beyond the chain has not come
	leaps          // a snapshot that was not asked for, likewise: the exchange had dropped the channel without a word
	breaks         // a delta whose predecessor has not come
	orphaned       // a delta before the first snapshot: that was sent to who had the book before, or is on its way
	withheld       // it repeats what has come, which the exchange documents, or it lies behind a break
)

// follow notes a message and says where it stands. Before a snapshot, and behind a break, no delta has a book to be applied to:
// nothing follows until a snapshot does.
func (c *chain) follow(data []byte) place {
	id, previous := changeIDs(data)
	if id < 0 {
		return follows
	}
	last := c.last.Load()
	switch {
	case previous < 0:
		c.last.Store(id)
		return c.snapshot(last, id)
	case c.broken.Load():
		return withheld
	case last == 0:
		c.broken.Store(true)
		return orphaned
	case previous == last:
		c.last.Store(id)
		return follows
	case id <= last:
		return withheld
	}
	c.breaks.Add(1)
	c.broken.Store(true)
	return breaks
}

// snapshot mends the chain.
func (c *chain) snapshot(last, id int64) place {
	c.snapshots.Add(1)
	wasBroken, wasAsked := c.broken.Swap(false), c.asked.Swap(false)
	switch {
	case wasBroken, last == 0, id <= last:
		return begins
	case wasAsked:
		return resumes
	}
	c.breaks.Add(1)
	return leaps
}

// forget has a chain begin with the next message, as it does on each connection.
func (c *chain) forget() {
	c.last.Store(0)
	c.broken.Store(false)
	c.asked.Store(false)
	c.vacant.Store(false)
}

// changeIDs returns the change ids that a book's message names: its own, and that of the message before it; -1 for what it
// does not name. It looks for the two names as they stand: nothing in a string can look so, for a quote in it is escaped.
func changeIDs(data []byte) (id, previous int64) {
	id, previous = -1, -1
	for i := 0; id < 0 || previous < 0; i++ {
		at := bytes.IndexByte(data[i:], '_')
		if at < 0 {
			break
		}
		i += at
		switch before, rest := data[:i], data[i:]; {
		case bytes.HasPrefix(rest, []byte(`_id"`)) && bytes.HasSuffix(before, []byte(`"change`)):
			id = number(rest[len(`_id"`):])
		case bytes.HasPrefix(rest, []byte(`_change_id"`)) && bytes.HasSuffix(before, []byte(`"prev`)):
			previous = number(rest[len(`_change_id"`):])
			i += len(`_change`)
		}
	}
	return id, previous
}

// number reads the digits behind a key, -1 if there are none, so many that they might not fit, or a fraction or an exponent behind them.
func number(rest []byte) int64 {
	n, digits := int64(0), 0
	for _, b := range rest {
		if b-'0' <= 9 {
			n = n*10 + int64(b-'0')
			digits++
		} else if digits > 0 && (b == '.' || b == 'e' || b == 'E') {
			return -1
		} else if digits > 0 || b != ':' && b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			break
		}
	}
	if digits == 0 || digits > 18 {
		return -1
	}
	return n
}
