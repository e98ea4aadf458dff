package session

import "sync"

// served are the books that the exchange has confirmed over a connection and that have not been taken back: it sends no snapshot to
// who subscribes to them.
type served struct {
	mu    sync.Mutex // protects books
	books map[string]struct{}
}

func (s *served) add(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if isBookWithChain(name) {
			s.books[name] = struct{}{}
		}
	}
}

func (s *served) remove(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.books, name)
	}
}

// of returns those of names that are served.
func (s *served) of(names []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var books []string
	for _, name := range names {
		if _, ok := s.books[name]; ok {
			books = append(books, name)
		}
	}
	return books
}
