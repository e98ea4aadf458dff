package session

import (
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Stats are the counters of a session since Dial. Reading them costs a few microseconds and disturbs nobody.
type Stats struct {
	State      State
	Epoch      uint64 // of the newest connection: how many there have been
	Generation uint64 // of the credentials in use, 0 while not ready
	// TokenExpires is when the token of the present connection ends, zero if there is none. It is renewed before.
	TokenExpires time.Time
	Resent       uint64 // calls that were sent again after a re-authentication
	// AuthorityLost counts how often a connection that lived on was refused for want of authority and authenticated again with the
	// same key: after an eviction, as each named session beyond the 16 of a key causes one, or when its tokens were revoked.
	AuthorityLost uint64
	Paced         uint64 // calls that waited for their credits; see Limits
	Channels      int    // channels that are subscribed to
	Kinds         []KindStats
	// Unrouted counts the notifications that went to nobody: of channels that nobody listens to, or without a channel or data. A
	// few come behind each unsubscribe.
	Unrouted uint64
	Conn     rpc.Stats // of all connections
}

// KindStats count the notifications of one kind of channel: its first segment, or its first two if that is "user".
type KindStats struct {
	Kind     string
	Messages uint64 // that came
	Dropped  uint64 // that slow subscribers missed
	Gaps     uint64 // breaks of sequence
}

// ChannelStats are the counters of a channel since it was subscribed to.
type ChannelStats struct {
	Channel       string `json:"channel"`
	Epoch         uint64 `json:"epoch"` // of the connection over which the last notification came, 0 before the first
	Notifications uint64 `json:"notifications"`
	Gaps          uint64 `json:"gaps"` // how often notifications may have been missed: lost connections, and breaks of the chain
	// A book's chain of change ids: how many snapshots came, how often a delta did not name its predecessor, and the id
	// of the last message.
	Snapshots    uint64 `json:"snapshots"`
	Breaks       uint64 `json:"breaks"`
	LastChangeID int64  `json:"last_change_id"`
}

// Stats returns the session's counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	stats := Stats{State: s.state, Epoch: s.epoch, Conn: s.past}
	open := slices.Clone(s.open)
	s.mu.Unlock()
	for _, l := range open {
		stats.Conn = sum(stats.Conn, l.conn.Stats())
	}
	stats.Resent, stats.Paced, stats.AuthorityLost = s.resent.Load(), s.paced.Load(), s.authorityLost.Load()
	if l := s.live.Load(); l != nil {
		stats.Generation = l.generation.Load()
		if expires := l.expires.Load(); expires != 0 {
			stats.TokenExpires = time.Unix(0, expires)
		}
	}
	stats.Channels, stats.Kinds = s.subs.stats()
	stats.Unrouted = s.subs.unrouted.Load()
	return stats
}

// track has a connection counted.
func (s *Session) track(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, l)
}

// untrack lets go of a connection that has ended. What it has counted stays in the sum.
func (s *Session) untrack(l *link) {
	counted := l.conn.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.open, l); i >= 0 {
		s.open = slices.Delete(s.open, i, i+1)
		s.past = sum(s.past, counted)
	}
}

// sum adds the counters of connections; what is pending on those that have ended is nothing.
func sum(a, b rpc.Stats) rpc.Stats {
	a.Pending += b.Pending
	a.Sent += b.Sent
	a.Writes += b.Writes
	a.Received += b.Received
	a.Notifications += b.Notifications
	a.BytesOut += b.BytesOut
	a.BytesIn += b.BytesIn
	for kind, n := range b.Strays {
		a.Strays[kind] += n
	}
	return a
}

// Channels returns the counters of each channel that the session is subscribed to, in the order of their names.
func (s *Session) Channels() []ChannelStats {
	var stats []ChannelStats
	for _, ch := range s.subs.all() {
		if !ch.isDesired() {
			continue
		}
		stats = append(stats, ch.stats())
	}
	return stats
}

func (ch *channel) stats() ChannelStats {
	return ChannelStats{
		Channel: ch.name, Epoch: ch.epoch.Load(), Notifications: ch.received.Load(), Gaps: ch.gaps.Load(),
		Snapshots: ch.chain.snapshots.Load(), Breaks: ch.chain.breaks.Load(), LastChangeID: ch.chain.last.Load(),
	}
}
