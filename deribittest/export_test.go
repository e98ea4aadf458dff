package deribittest

import (
	"maps"
	"net/http"
	"slices"
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
