package deribittest

import "net/http"

// Handler is what the server serves, for tests that need no network.
func (s *Server) Handler() http.Handler { return s.routes() }
