package storetest_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/rotate/storetest"
)

// recorder is a test that only notes that it has failed.
type recorder struct {
	testing.TB

	mu   sync.Mutex // protects said
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// failures are what a check says of a store; a clock of its own makes patience cheap.
func failures(t *testing.T, check string, opener storetest.Opener) (said []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		storetest.Check(r, check, opener)
		said = r.said
	})
	return said
}

// TestGoodStore: a store that breaks nothing passes everything.
func TestGoodStore(t *testing.T) {
	for _, check := range storetest.Names() {
		var one sync.Once
		var s *memstore.Store
		if said := failures(t, check, func() rotate.Store {
			one.Do(func() { s = memstore.New() }) // in the bubble
			return s
		}); len(said) > 0 {
			t.Errorf("%s: %v", check, said)
		}
	}
}

// TestBrokenStores: each way to break the contract fails the check that is meant for it, and says nothing secret.
func TestBrokenStores(t *testing.T) {
	change := func(fn func(next *rotate.Record, now rotate.Record)) func(*memstore.Store) rotate.Store {
		return func(s *memstore.Store) rotate.Store { return changing{s, fn} }
	}
	watch := func(fn func(context.Context, *memstore.Store) iter.Seq2[rotate.Record, error]) func(*memstore.Store) rotate.Store {
		return func(s *memstore.Store) rotate.Store { return watching{s, fn} }
	}
	share := func(fn func(to *rotate.Record, from rotate.Record)) func(*memstore.Store) rotate.Store {
		return func(s *memstore.Store) rotate.Store { return &sharing{Store: s, share: fn} }
	}
	for _, test := range []struct {
		name, check string
		open        func(*memstore.Store) rotate.Store
	}{
		{"lost update", "CompareAndSwap", func(s *memstore.Store) rotate.Store { return lostUpdate{s} }},
		{"lost candidate", "Candidates", func(s *memstore.Store) rotate.Store { return lostUpdate{s} }},
		{"ignores the version", "Conflict", func(s *memstore.Store) rotate.Store { return blind{s} }},
		{"untyped refusal", "Conflict", func(s *memstore.Store) rotate.Store { return untyped{s} }},
		{"prints the secret", "Conflict", func(s *memstore.Store) rotate.Store { return printing{s} }},
		{"deaf to its ctx", "EndedContext", func(s *memstore.Store) rotate.Store { return deaf{s} }},
		{"stale read", "RoundTrip", func(s *memstore.Store) rotate.Store { return &stale{Store: s} }},
		{"write in place", "NeverInBetween", func(s *memstore.Store) rotate.Store { return &inPlace{Store: s} }},
		{"shared memory", "Ownership", share(func(to *rotate.Record, from rotate.Record) { *to = from })},
		{"shared candidates", "Ownership", share(func(to *rotate.Record, from rotate.Record) { to.Candidates = from.Candidates })},
		{"shared intent", "Ownership", share(func(to *rotate.Record, from rotate.Record) { to.Intent = from.Intent })},
		{"shared replacement", "Ownership", share(func(to *rotate.Record, from rotate.Record) { to.Replacement = from.Replacement })},
		{"shared former", "Ownership", share(func(to *rotate.Record, from rotate.Record) { to.Former = from.Former })},
		{"shared lease", "Ownership", share(func(to *rotate.Record, from rotate.Record) { to.Lease = from.Lease })},
		{"one candidate only", "RoundTrip", change(func(next *rotate.Record, _ rotate.Record) {
			next.Candidates = next.Candidates[:min(1, len(next.Candidates))]
		})},
		{"time in seconds", "RoundTrip", change(func(next *rotate.Record, _ rotate.Record) {
			next.Current.Received = next.Current.Received.Truncate(time.Second)
		})},
		{"keeps an intent", "Removal", change(func(next *rotate.Record, now rotate.Record) {
			if next.Intent == nil {
				next.Intent = now.Intent
			}
		})},
		{"keeps a lease's owner", "Removal", change(func(next *rotate.Record, now rotate.Record) {
			if next.Lease != nil && next.Lease.Owner == "" && now.Lease != nil {
				next.Lease = now.Lease
			}
		})},
		{"forgets a free lease", "Removal", change(func(next *rotate.Record, _ rotate.Record) {
			if next.Lease != nil && next.Lease.Owner == "" {
				next.Lease = nil
			}
		})},
		{"watch of one", "Watch", watch(once)},
		{"watch without the first", "Watch", watch(lateFirst)},
		{"watch that repeats", "Watch", watch(again)},
		{"watch that skips the last", "WatchersSeeTheLast", watch(everySecond)},
		{"watch of what was there", "WatchOfNothing", watch(once)},
		{"watch without end", "WatchEnds", watch(endless)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var one sync.Once
			var s rotate.Store
			said := failures(t, test.check, func() rotate.Store {
				one.Do(func() { s = test.open(memstore.New()) })
				return s
			})
			if len(said) == 0 {
				t.Errorf("passed %s", test.check)
			}
			if strings.Contains(strings.Join(said, ""), storetest.Canary) {
				t.Errorf("%s: %s", test.check, said)
			}
		})
	}
}

// TestForgetful: a store that another handle does not find again is not durable.
func TestForgetful(t *testing.T) {
	said := failures(t, "RoundTrip", func() rotate.Store { return memstore.New() })
	if len(said) == 0 {
		t.Error("passed RoundTrip")
	}
}
