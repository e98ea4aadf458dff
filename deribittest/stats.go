package deribittest

import (
	"maps"
	"slices"
)

// Stats counts what the server has seen since it was made.
type Stats struct {
	// Connections counts the WebSocket connections admitted; OpenConnections is how many are open now.
	Connections, OpenConnections uint64
	// Authentications counts successful grants of public/auth; AuthFailures the refused ones whose
	// parameters could be read, and refused REST credentials.
	Authentications, AuthFailures uint64
	// FramesIn and FramesOut count WebSocket messages of the protocol, and REST requests and replies.
	FramesIn, FramesOut uint64
	// Evicted counts named sessions that ended because their key had one too many.
	Evicted uint64
	// TooSlow counts connections dropped because their reader fell behind.
	TooSlow uint64
	// Calls counts the requests by method, refused ones too, of the methods there are, but for those that were
	// unsound, got 10028, or came over REST with credentials that were refused.
	Calls map[string]uint64
	// Charged counts the requests that were paid for, by the pool that paid: matching_engine, cancel_all, subscribe, the name
	// of a method that has its own, and non_matching_engine for the others. RateLimited counts those refused with 10028. All
	// are 0 without Config.Limits.
	Charged     map[string]uint64
	RateLimited uint64
	// Faults counts the faults that happened, by kind; see Server.Inject.
	Faults map[FaultKind]uint64
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.ex.stats
	st.OpenConnections = uint64(len(s.ex.conns))
	st.Calls, st.Charged, st.Faults = maps.Clone(st.Calls), maps.Clone(st.Charged), maps.Clone(st.Faults)
	return st
}

// Executed returns how many orders with the label were accepted by the matching engine.
func (s *Server) Executed(label string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ex.market.Executed(label)
}

// Published returns how many notifications of a channel were handed to live subscribers' connections, one per connection.
func (s *Server) Published(channel string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ex.published[channel]
}

// PublishedAll returns Published for every channel that had a notification.
func (s *Server) PublishedAll() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ex.published)
}

// Secrets returns every secret, token, signature, challenge and second-factor code that the server ever gave or received,
// sorted. A test searches logs and errors for them. Second-factor codes are six digits and may occur by chance.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.ex.secrets))
}
