package telemetry

import (
	"math"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// fleet is the set of open sessions, and what the sessions that have ended had counted: a sum must not fall when a session
// ends.
type fleet struct {
	mu    sync.Mutex // protects the fields below
	open  map[*session.Session]*member
	ended counts
}

// counts are sums over the life of one or more sessions.
type counts struct {
	sent, received int64 // bytes
	kinds          map[string]kindCounts
}

type kindCounts struct{ messages, dropped, breaks int64 }

// member is an open session as it was last read.
type member struct{ counts }

// census is a reading of the fleet.
type census struct {
	states  map[session.State]int64
	pending int64
	expires time.Time // the first token to end, zero if there is none
	total   counts
}

func (f *fleet) add(s *session.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[*session.Session]*member{}
	}
	f.open[s] = &member{}
}

func (f *fleet) remove(s *session.Session) {
	stats := s.Stats()
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.open[s]; ok {
		m.update(stats)
		f.ended.add(m.counts)
		delete(f.open, s)
	}
}

// read asks every open session for its counters, which is not done under the lock.
func (f *fleet) read() census {
	all := map[*session.Session]session.Stats{}
	for _, s := range f.sessions() {
		all[s] = s.Stats()
	}
	now := census{states: map[session.State]int64{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	for s, m := range f.open {
		stats, asked := all[s]
		if asked {
			m.update(stats)
			now.add(stats)
		}
		now.total.add(m.counts)
	}
	now.total.add(f.ended)
	return now
}

func (f *fleet) sessions() []*session.Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*session.Session, 0, len(f.open))
	for s := range f.open {
		list = append(list, s)
	}
	return list
}

func (c *census) add(stats session.Stats) {
	c.states[stats.State]++
	c.pending += int64(stats.Conn.Pending)
	if at := stats.TokenExpires; !at.IsZero() && (c.expires.IsZero() || at.Before(c.expires)) {
		c.expires = at
	}
}

// update brings a member up to date. Two readers may collect at once and overtake each other: what is older changes nothing.
func (m *member) update(stats session.Stats) {
	m.sent = max(m.sent, signed(stats.Conn.BytesOut))
	m.received = max(m.received, signed(stats.Conn.BytesIn))
	for _, k := range stats.Kinds {
		old := m.kinds[k.Kind]
		m.setKind(k.Kind, kindCounts{
			messages: max(old.messages, signed(k.Messages)),
			dropped:  max(old.dropped, signed(k.Dropped)),
			breaks:   max(old.breaks, signed(k.Gaps)),
		})
	}
}

func (c *counts) add(d counts) {
	c.sent += d.sent
	c.received += d.received
	for kind, n := range d.kinds {
		old := c.kinds[kind]
		c.setKind(kind, kindCounts{old.messages + n.messages, old.dropped + n.dropped, old.breaks + n.breaks})
	}
}

func (c *counts) setKind(kind string, n kindCounts) {
	if c.kinds == nil {
		c.kinds = map[string]kindCounts{}
	}
	c.kinds[kind] = n
}

// signed is a counter in the type that OpenTelemetry takes.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
