package rpc

import "sync/atomic"

// Stats are the counters of a Conn since NewConn.
type Stats struct {
	Pending       int    // calls that have no outcome yet
	Sent          uint64 // requests handed to the Transport
	Writes        uint64 // in so many of its WriteMessages
	Received      uint64 // messages of any kind
	Notifications uint64 // those that went to Config.Handler
	BytesOut      uint64 // of messages, without framing
	BytesIn       uint64
	// Strays counts the frames that belonged to no waiting call, by StrayKind.
	Strays [strayKinds]uint64
}

type counters struct {
	sent, writes, received, notifications, bytesOut, bytesIn atomic.Uint64
	strays                                                   [strayKinds]atomic.Uint64
}

// Stats returns the counters. Each is exact; taken together they are of no single moment.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	pending := c.pending.n
	c.mu.Unlock()
	s := Stats{
		Pending:       pending,
		Sent:          c.counters.sent.Load(),
		Writes:        c.counters.writes.Load(),
		Received:      c.counters.received.Load(),
		Notifications: c.counters.notifications.Load(),
		BytesOut:      c.counters.bytesOut.Load(),
		BytesIn:       c.counters.bytesIn.Load(),
	}
	for kind := range s.Strays {
		s.Strays[kind] = c.counters.strays[kind].Load()
	}
	return s
}
