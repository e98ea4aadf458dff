package filestore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
)

// TestLinearizableMutants: a store that breaks its promise in one way has a history without an order, soon. So the search sees what
// it is for.
func TestLinearizableMutants(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]func(*brokenStore){
		"compares nothing":                   forgetsVersions,
		"compares, and swaps later":          swapsLate,
		"loads what stood before":            loadsStale,
		"saves, and reports a conflict":      reportsConflict,
		"reports success, and saves nothing": savesNothing,
		"saves again what was superseded":    savesTwice,
		"versions that jump":                 jumps,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const patience = 20 // histories
			for seed := range uint64(patience) {
				wrong := walkStore(t, seed, func() *brokenStore {
					s := &brokenStore{Store: memstore.New()}
					mutant(s)
					return s
				}).judge()
				if strings.Contains(wrong, "no order") {
					return
				}
				if wrong != "" {
					t.Fatalf("seed %d: something else is wrong: %s", seed, wrong)
				}
			}
			t.Errorf("not found out in %d histories", patience)
		})
	}
}

// brokenStore does what it does itself where it has a function of its own.
type brokenStore struct {
	*memstore.Store

	load func(context.Context) (rotate.Record, error)
	save func(context.Context, rotate.Record, uint64) (uint64, error)
}

func (s *brokenStore) Load(ctx context.Context) (rotate.Record, error) {
	if s.load == nil {
		return s.Store.Load(ctx)
	}
	return s.load(ctx)
}

func (s *brokenStore) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	if s.save == nil {
		return s.Store.Save(ctx, r, ifVersion)
	}
	return s.save(ctx, r, ifVersion)
}

// force saves over whatever stands.
func (s *brokenStore) force(ctx context.Context, r rotate.Record) (uint64, error) {
	for {
		now, err := s.Store.Load(ctx)
		if err != nil && !errors.Is(err, rotate.ErrNotFound) {
			return 0, err
		}
		version, err := s.Store.Save(ctx, r, now.Version)
		if !errors.Is(err, rotate.ErrConflict) {
			return version, err
		}
	}
}

func forgetsVersions(s *brokenStore) {
	s.save = func(ctx context.Context, r rotate.Record, _ uint64) (uint64, error) { return s.force(ctx, r) }
}

func swapsLate(s *brokenStore) {
	s.save = func(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
		now, err := s.Store.Load(ctx)
		if err != nil && !errors.Is(err, rotate.ErrNotFound) {
			return 0, err
		}
		if now.Version != ifVersion {
			return 0, rotate.ErrConflict
		}
		wait(100 * time.Millisecond)
		return s.force(ctx, r)
	}
}

func loadsStale(s *brokenStore) {
	var mu sync.Mutex // protects the variables below
	var before rotate.Record
	loads := 0
	s.load = func(ctx context.Context) (rotate.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		now, err := s.Store.Load(ctx)
		if err != nil {
			return now, err
		}
		if loads++; loads%10 == 0 {
			return before, nil
		}
		before = now
		return now, nil
	}
}

// every calls fn for each tenth Save that has succeeded.
func (s *brokenStore) every(fn func(ctx context.Context, r rotate.Record, version uint64) (uint64, error)) {
	var mu sync.Mutex // protects saves
	saves := 0
	s.save = func(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
		version, err := s.Store.Save(ctx, r, ifVersion)
		if err != nil {
			return version, err
		}
		mu.Lock()
		saves++
		tenth := saves%10 == 0
		mu.Unlock()
		if !tenth {
			return version, nil
		}
		return fn(ctx, r, version)
	}
}

func reportsConflict(s *brokenStore) {
	s.every(func(context.Context, rotate.Record, uint64) (uint64, error) { return 0, rotate.ErrConflict })
}

func savesNothing(s *brokenStore) {
	var boasted atomic.Bool
	s.save = func(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
		now, err := s.Store.Load(ctx)
		if err == nil && now.Version == ifVersion && !boasted.Swap(true) {
			return ifVersion + 1, nil
		}
		return s.Store.Save(ctx, r, ifVersion)
	}
}

func savesTwice(s *brokenStore) {
	s.every(func(ctx context.Context, r rotate.Record, version uint64) (uint64, error) {
		wait(500 * time.Millisecond)
		_, err := s.force(ctx, r)
		return version, err
	})
}

func jumps(s *brokenStore) {
	s.every(func(ctx context.Context, r rotate.Record, version uint64) (uint64, error) {
		return s.Store.Save(ctx, r, version)
	})
}
