package telemetry

import (
	"maps"
	"sync"
)

// maxTally bounds the values that a tally tells apart.
const maxTally = 256

// tally counts events by the value of an attribute. It stands where an event is too rare to need more, and comes without a
// context with which it could be measured at once.
type tally struct {
	mu sync.Mutex // protects n
	n  map[string]int64
}

func (t *tally) add(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int64{}
	}
	if _, counted := t.n[value]; !counted && len(t.n) >= maxTally {
		value = other
	}
	t.n[value]++
}

// failures bounds what the measurements of a rare event tell apart, as a tally does.
type failures struct {
	mu   sync.Mutex // protects seen
	seen map[failure]struct{}
}

// bound returns f, or what stands for all others when maxTally are told apart.
func (s *failures) bound(f failure) failure {
	if f.kind == succeeded {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[failure]struct{}{}
	}
	if _, known := s.seen[f]; !known && len(s.seen) >= maxTally {
		return failure{kind: failed, id: other}
	}
	s.seen[f] = struct{}{}
	return f
}

// counts returns a copy.
func (t *tally) counts() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}
