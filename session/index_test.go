package session_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

// TestIndexIsAMap compares an index with a map under any adding and removing.
func TestIndexIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, want := session.NewIndex(), map[string]bool{}
		for range rapid.IntRange(0, 300).Draw(t, "changes") {
			name := fmt.Sprintf("c%d", rapid.IntRange(0, 99).Draw(t, "channel"))
			if want[name] {
				x.Remove(name)
				delete(want, name)
			} else {
				x.Add(name)
				want[name] = true
			}
			if found, ok := x.Find([]byte(name)); ok != want[name] || ok && found != name {
				t.Fatalf("%s is there: %t; found %q, %t", name, want[name], found, ok)
			}
		}
		names := x.Names()
		for _, name := range names {
			if _, ok := x.Find([]byte(name)); !ok || !want[name] {
				t.Fatalf("%s is listed: found %t, want %t", name, ok, want[name])
			}
		}
		if slices.Sort(names); len(slices.Compact(names)) != len(want) {
			t.Fatalf("%d channels are listed, want %d", len(names), len(want))
		}
	})
}

// TestIndexStaysSmall is about subscriptions that come and go.
func TestIndexStaysSmall(t *testing.T) {
	t.Parallel()
	x := session.NewIndex()
	for i := range 10_000 {
		x.Add(strconv.Itoa(i))
		if i >= 10 {
			x.Remove(strconv.Itoa(i - 10))
		}
		if used, counted := x.Used(); used != counted || used > x.Slots()/2 {
			t.Fatalf("%d of %d slots are in use, %d were counted", used, x.Slots(), counted)
		}
	}
	if slots := x.Slots(); slots > 64 || len(x.Names()) != 10 {
		t.Errorf("%d slots for %d channels", slots, len(x.Names()))
	}
}

// TestIndexIsReadWhileItChanges: a channel that stays is found at any time, and one that never was is not.
func TestIndexIsReadWhileItChanges(t *testing.T) {
	t.Parallel()
	x := session.NewIndex()
	for i := range 5 {
		x.Add(fmt.Sprint("stays", i))
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for ended := false; !ended; {
			select {
			case <-done:
				ended = true
			default:
			}
			for i := range 5 {
				if name := fmt.Sprint("stays", i); !found(x, name) {
					t.Errorf("%s is not found", name)
				}
			}
			if found(x, "never") {
				t.Error("what was never added is found")
			}
		}
	})
	for i := range 5_000 {
		x.Add(strconv.Itoa(i))
		if i >= 100 {
			x.Remove(strconv.Itoa(i - 100))
		}
	}
	close(done)
	readers.Wait()
}

func found(x *session.Index, name string) bool {
	got, ok := x.Find([]byte(name))
	return ok && got == name
}
