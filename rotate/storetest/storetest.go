// Package storetest holds an implementation of [rotate.Store] against its contract. It is for those who write one:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Opener {
//			path := filepath.Join(tb.TempDir(), "key")
//			return func() rotate.Store { ... a store in the file of that name ... }
//		})
//	}
//
// What it cannot test is a loss of power, and damage to what is stored: a Store that writes to a disk has to show these in tests
// of its own.
package storetest

import (
	"context"
	"testing"

	"github.com/holdfast-ws/holdfast/rotate"
)

// Opener opens one place where a record lives, each time anew, as another process does. A store that cannot be opened twice
// returns the same one. It is called from several goroutines.
type Opener func() rotate.Store

// Run tests the stores that prepare makes. prepare is called once for each subtest; it makes an empty place and cleans it up
// by t.Cleanup. The subtests run in parallel, and take some seconds with a Watch that polls.
func Run(t *testing.T, prepare func(tb testing.TB) Opener) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(&probe{TB: t, opener: prepare(t)})
		})
	}
}

// checks are the clauses of the contract.
var checks = []struct {
	name string
	run  func(*probe)
}{
	{"Empty", checkEmpty},
	{"RoundTrip", checkRoundTrip},
	{"Removal", checkRemoval},
	{"Conflict", checkConflict},
	{"Ownership", checkOwnership},
	{"EndedContext", checkEndedContext},
	{"CompareAndSwap", checkCompareAndSwap},
	{"Candidates", checkCandidates},
	{"NeverInBetween", checkNeverInBetween},
	{"Watch", checkWatch},
	{"WatchersSeeTheLast", checkWatchersSeeTheLast},
	{"WatchOfNothing", checkWatchOfNothing},
	{"WatchEnds", checkWatchEnds},
}

// probe is a check under way. Its own methods may be called from any goroutine.
type probe struct {
	testing.TB

	opener Opener
}

// open opens the place, and looks at each error that the store returns.
func (p *probe) open() guarded { return guarded{store: p.opener(), probe: p} }

// load fails the check if there is an error.
func (p *probe) load(s guarded) (rotate.Record, bool) {
	record, err := s.Load(p.Context())
	if err != nil {
		p.Errorf("Load: %v", err)
	}
	return record, err == nil
}

// save fails the check if there is an error, or a version that has not risen.
func (p *probe) save(s guarded, record rotate.Record, ifVersion uint64) uint64 {
	version, err := s.Save(p.Context(), record, ifVersion)
	switch {
	case err != nil:
		p.Errorf("Save: if version %d: %v", ifVersion, err)
	case version <= ifVersion:
		p.Errorf("Save: if version %d: it has version %d now: versions rise", ifVersion, version)
	}
	return version
}

// stands fails the check unless another handle loads just that record.
func (p *probe) stands(what string, want rotate.Record) {
	p.Helper()
	if got, ok := p.load(p.open()); ok {
		for _, difference := range differences(got, want) {
			p.Errorf("%s: %s", what, difference)
		}
	}
}

// within is a ctx for what must not take for ever.
func (p *probe) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.Context(), patience)
}
