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

// counts returns a copy.
func (t *tally) counts() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}
