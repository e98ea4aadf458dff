package filestore_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
)

var (
	histories = flag.Int("histories", 32, "how many histories TestLinearizable checks of each store")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first of them")
)

// operationsEach is the length of a history.
const operationsEach = 200

// TestLinearizable has four processes load and save, lets faults befall them, and looks for one order of all they did that explains
// all they were told. Where they were told nothing both outcomes will do.
//
//	go test ./rotate/filestore -run TestLinearizable -v -histories 2000
//
// A seed repeats what is asked and what fails, not the order in which goroutines and processes run.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	processes := (*histories + 7) / 8
	for _, test := range []struct {
		name  string
		count int
		walk  func(t *testing.T, seed uint64) *history
	}{
		{"memory", *histories, walkMemory},
		{"file", *histories - processes, walkFile},
		{"processes", processes, walkProcesses},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sum total
			began := time.Now()
			for seed := *firstSeed; seed < *firstSeed+uint64(test.count); seed++ {
				h := test.walk(t, seed)
				if wrong := h.judge(); wrong != "" {
					t.Fatalf("seed %d: %s", seed, wrong)
				}
				sum.add(h.tally)
			}
			sum.report(t, began)
		})
	}
}

// walkMemory is of memstore, whose answers are lost now and then.
func walkMemory(t *testing.T, seed uint64) *history {
	t.Helper()
	return walkStore(t, seed, memstore.New)
}

// walkStore is of a store in memory.
func walkStore[S rotate.Store](t *testing.T, seed uint64, made func() S) *history {
	t.Helper()
	h := &history{}
	walkers := h.walkers(seed, operationsEach, func(err error) bool {
		return errors.Is(err, errBroken) || errors.Is(err, context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		store := made()
		var group sync.WaitGroup
		for _, p := range walkers {
			to := handle{lossy{store, p.rng}, h.errorf}
			group.Go(func() {
				for p.left > 0 {
					p.within(t.Context(), to)
				}
			})
		}
		group.Wait()
	})
	return h
}

// within does one operation that is given up after a second.
func (p *process) within(ctx context.Context, to register) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	p.once(ctx, to)
}

// wait lets time pass, which in a bubble takes none.
func wait(d time.Duration) { <-time.NewTimer(d).C }

// lossy is a store that is far away: what is said to it and what it says takes time, and is lost now and then.
type lossy struct {
	rotate.Store

	rng *rand.Rand
}

func (s lossy) Load(ctx context.Context) (rotate.Record, error) {
	s.delay()
	defer s.delay()
	return s.Store.Load(ctx)
}

func (s lossy) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	lost := s.rng.IntN(20)
	if s.delay(); lost == 0 {
		return 0, errBroken
	}
	defer s.delay()
	version, err := s.Store.Save(ctx, r, ifVersion)
	if lost == 1 {
		return 0, errBroken
	}
	return version, err
}

func (s lossy) delay() {
	const longest = 700
	wait(time.Duration(s.rng.IntN(longest)) * time.Millisecond)
}

// walkFile is of handles on one file, each on a disk that fails. Now and then one dies, and another takes its place; and now and
// then the power is lost, and all go on with what the disk has kept.
func walkFile(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{}
	rng := rand.New(rand.NewPCG(seed, 0))
	path := safePath(t)
	walkers := h.walkers(seed, operationsEach, func(err error) bool {
		return isInjected(err) || errors.Is(err, context.DeadlineExceeded)
	})
	for {
		const shortest, longest = 500, 6000
		g := &grid{model: newModel(t, filepath.Dir(path)), left: shortest + rng.IntN(longest-shortest)}
		synctest.Test(t, func(t *testing.T) {
			var group sync.WaitGroup
			for _, p := range walkers {
				group.Go(func() { p.live(t, g, path) })
			}
			group.Wait()
		})
		if !g.dark {
			return h
		}
		h.tally.cuts++
		images := g.model.images()
		path = restore(t, images[rng.IntN(len(images))])
	}
}

// live opens the file anew each time the process dies, until all is done or the power is gone.
func (p *process) live(t *testing.T, g *grid, path string) {
	t.Helper()
	for p.left > 0 && !g.isDark() {
		s, err := filestore.Open(path)
		if err != nil {
			p.history.errorf("Open: %v", err)
			return
		}
		z := &hazard{grid: g, rng: p.rng}
		filestore.SetDisk(s, func(d filestore.Disk) filestore.Disk { return shaky{modelDisk{d, g.model}, z} })
		for p.left > 0 && !z.dead && !g.isDark() {
			const instants = 4 // when somebody else may be at it
			wait(time.Duration(p.rng.IntN(instants)) * 5 * time.Millisecond)
			p.within(t.Context(), handle{s, p.history.errorf})
		}
		if z.dead {
			p.history.killed()
		}
	}
}

func (h *history) killed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.kills++
}
