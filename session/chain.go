package session

import (
	"bytes"
	"sync/atomic"
)

// chain follows the change ids of a book: each delta names the message before it. follow is called by the reader alone.
type chain struct {
	last      atomic.Int64 // change id of the last message, 0 before the first
	snapshots atomic.Uint64
	breaks    atomic.Uint64
}

// follow notes a message and reports whether it follows the last one. same says that the last one came over the same
// connection. A message at or below the last change id repeats what a snapshot held: the exchange documents that such
// events may come, and they are no gap. A snapshot beyond it is one: the exchange had dropped the channel without a word.
func (c *chain) follow(same bool, data []byte) bool {
	id, previous := changeIDs(data)
	if id < 0 {
		return true
	}
	isDelta := previous >= 0
	last := c.last.Load()
	if !isDelta {
		c.snapshots.Add(1)
	}
	switch {
	case !same || last == 0, isDelta && previous == last, !isDelta && id <= last:
	case id <= last:
		return true
	default:
		c.breaks.Add(1)
		c.last.Store(id)
		return false
	}
	c.last.Store(id)
	return true
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

// number reads the digits behind a key, -1 if there are none or so many that they might not fit.
func number(rest []byte) int64 {
	n, digits := int64(0), 0
	for _, b := range rest {
		if b-'0' <= 9 {
			n = n*10 + int64(b-'0')
			digits++
		} else if digits > 0 || b != ':' && b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			break
		}
	}
	if digits == 0 || digits > 18 {
		return -1
	}
	return n
}
