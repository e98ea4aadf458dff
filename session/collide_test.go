package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// TestIndexComparesNames where hashes are the same, as they can be.
func TestIndexComparesNames(t *testing.T) {
	t.Parallel()
	x := session.NewIndex()
	x.Collide("other", "channel")
	if found(x, "channel") {
		t.Error("what was never added is found")
	}
	x.Add("channel")
	if !found(x, "channel") {
		t.Error("what was added is not found")
	}
}

// TestIndexHasNoChannelWithoutName, though a channel that was removed leaves one behind.
func TestIndexHasNoChannelWithoutName(t *testing.T) {
	t.Parallel()
	for range 100 { // each begins to look somewhere else
		x := session.NewIndex()
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			x.Add(name)
			x.Remove(name)
		}
		if name, ok := x.Find(nil); ok {
			t.Fatalf("%q is found", name)
		}
	}
}
