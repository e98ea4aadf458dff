package storetest_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
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

// failures are the checks that a store does not pass; a clock of their own makes patience cheap.
func failures(t *testing.T, open func(*memstore.Store) rotate.Store) map[string][]string {
	t.Helper()
	failed := map[string][]string{}
	for _, name := range storetest.Names() {
		synctest.Test(t, func(t *testing.T) {
			s := open(memstore.New())
			r := &recorder{TB: t}
			storetest.Check(r, name, func() rotate.Store { return s })
			if len(r.said) > 0 {
				failed[name] = r.said
			}
		})
	}
	return failed
}

// TestGoodStore: a store that breaks nothing passes everything.
func TestGoodStore(t *testing.T) {
	if failed := failures(t, func(s *memstore.Store) rotate.Store { return s }); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
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
		{"shared memory", "Ownership", func(s *memstore.Store) rotate.Store { return &sharing{Store: s} }},
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
			failed := failures(t, test.open)
			if failed[test.check] == nil {
				t.Errorf("passed %s; failed %v", test.check, failed)
			}
			for name, said := range failed {
				if strings.Contains(strings.Join(said, ""), storetest.Canary) && test.name != "prints the secret" {
					t.Errorf("%s prints a secret: %s", name, said)
				}
			}
		})
	}
}

// TestForgetful: a store that another handle does not find again is not durable.
func TestForgetful(t *testing.T) {
	var failed []string
	for _, name := range storetest.Names() {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{TB: t}
			storetest.Check(r, name, func() rotate.Store { return memstore.New() })
			if len(r.said) > 0 {
				failed = append(failed, name)
			}
		})
	}
	if !slices.Contains(failed, "RoundTrip") {
		t.Errorf("failed: %v", failed)
	}
}
