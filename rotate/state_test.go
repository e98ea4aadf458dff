package rotate_test

import (
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
)

// TestEdges: the table names every state, every state can be reached, and only two are ends.
func TestEdges(t *testing.T) {
	t.Parallel()
	table := rotate.Edges()
	if len(table) != 17 {
		t.Errorf("%d states", len(table))
	}
	reached := map[string]bool{}
	var walk func(string)
	walk = func(from string) {
		if reached[from] {
			return
		}
		reached[from] = true
		for _, to := range table[from] {
			walk(to)
		}
	}
	walk("idle")
	for name, to := range table {
		if !reached[name] || strings.HasPrefix(name, "state(") {
			t.Errorf("%s: unreachable or without a name", name)
		}
		if end := name == "degraded" || name == "locked out"; end != (len(to) == 0) {
			t.Errorf("%s goes to %v", name, to)
		}
	}
}
