package deribittest

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// Handler is what the server serves, for tests that need no network.
func (s *Server) Handler() http.Handler { return s.routes() }

// Methods lists the methods that the server knows.
func (s *Server) Methods() []string { return slices.Sorted(maps.Keys(s.ex.methods)) }

// ScopeText returns a scope as the server writes it, and false when it is none.
func ScopeText(text string) (string, bool) {
	s, ok := parseScope(text)
	return s.String(), ok
}

// NarrowsWithin reports whether a key's scope, narrowed by a request's, stays within it.
func NarrowsWithin(limit, asked string) bool {
	s, ok := parseScope(limit)
	r, fault := parseScopeRequest(asked)
	return !ok || fault != nil || s.narrow(r.levels).within(s)
}

// Planned returns the first faults of a chaos, each with when it comes and what chooses its connection.
func (c Chaos) Planned(n int) []Planned {
	plan := c.schedule()
	var at time.Duration
	planned := make([]Planned, n)
	for i := range planned {
		wait, f, pick := plan.next()
		at += wait
		planned[i] = Planned{at, f, pick}
	}
	return planned
}

// Planned is a fault of a schedule.
type Planned struct {
	At    time.Duration
	Fault Fault
	Pick  uint64
}

// FaultsWaiting returns how many faults wait for a request.
func (s *Server) FaultsWaiting() (n int) {
	s.locked(func(ex *exchange) { n = len(ex.faults) })
	return n
}

// TokensKnown returns how many tokens, and grants of keys, are remembered.
func (s *Server) TokensKnown() (n int) {
	s.locked(func(ex *exchange) {
		n = len(ex.tokens)
		for _, k := range ex.keys {
			n += len(k.grants)
			for _, session := range k.sessions {
				n += len(session.grants)
			}
		}
	})
	return n
}

// Subscribers returns how many subscriptions of connections there are.
func (s *Server) Subscribers() (n int) {
	s.locked(func(ex *exchange) {
		for _, of := range ex.subs {
			n += len(of)
		}
	})
	return n
}
