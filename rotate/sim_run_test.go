package rotate_test

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

var (
	simSeeds = flag.Int("seeds", 300, "worlds of the simulations")
	simSeed  = flag.Int("seed", -1, "print what happens in this world of TestSimulation")
)

// simMuch is how many seeds must have met every transition and every failure a hundred times.
const simMuch = 20_000

// simRefusals is how many logins of rotations the exchange may refuse within an hour, in a world that has simFewest faults.
const simRefusals = 40

// simFewest is how many faults befall every world.
const simFewest = 20

// live has a world suffer until enough has gone wrong, and then settle.
func (w *sim) live() {
	w.run(1000*time.Hour, func() bool { return w.faults.total >= simFewest })
	if len(w.broken) > 0 {
		return
	}
	w.cease()
	if !w.run(time.Hour*10_000, func() bool { return w.settled() || w.hopeless() || w.now > w.deadline() }) {
		return
	}
	if !w.settled() && !w.hopeless() && (w.deaf() || w.anybody()) {
		w.breaks("R14: not settled %v after the last fault: %s", w.now-w.stopped, w.unsettled())
	}
}

// deadline is when all must have settled. What a rotation waits before it tries again is not counted, if it has tried in vain before.
func (w *sim) deadline() time.Duration {
	const looks = 5 * time.Second * 3 / 2 // at a lease that another holds, at most so long after each other
	limit := simQuarantine + 10*time.Second + looks
	if w.faults.fired[faultClock] > 0 { // a lease, or the stamp of a reset, may be of a clock that was ahead
		limit += 2 * (simLeaseTTL + simQuarantine)
	}
	if w.config.factor {
		limit += 90 * time.Second // a person's, twice
	}
	if w.deaf() { // each process resets the key in vain: after a pause, by a code, and once another one's lease has ended
		const longest = 90*time.Second + simResetTimeout + 45*time.Second + simLeaseTTL + looks
		limit += time.Duration(len(w.processes)) * core.MaxOpen * longest
	}
	var earned time.Duration
	for _, p := range w.processes {
		if !w.deaf() {
			earned = max(earned, p.earned)
		}
		if p.refused { // the reset that it was refused has left its stamp
			limit += simQuarantine
		}
	}
	return w.stopped + limit + earned
}

// cease ends the faults.
func (w *sim) cease() {
	w.calm, w.stopped = true, w.now
	w.store.down, w.exchange.forbidden = 0, 0
	for _, p := range w.processes {
		p.setClock(0)
		p.paused, p.earned = 0, max(p.backsOff-w.now, 0)
		if p.flight == nil {
			p.nudge()
		}
	}
	if w.traced {
		w.note("the faults stop")
	}
}

// simulate is a world from its beginning to its end. A panic is a rule that does not hold.
func simulate(seed uint64, traced bool) (w *sim) {
	w = newSim(seed, traced)
	defer func() {
		if what := recover(); what != nil {
			w.breaks("panic: %v", what)
		}
	}()
	w.live()
	return w
}

// TestSimulation lets what the core decides meet what the failure model knows, in as many worlds as -seeds says: a world is a function
// of its seed. Rules R1, R2, R7, R9 and R10 are held after every step. Then the faults stop, and all must settle.
func TestSimulation(t *testing.T) {
	t.Parallel()
	if *simSeed >= 0 {
		w := simulate(uint64(*simSeed), true)
		t.Logf("%+v\n%s", w.config, strings.Join(w.trace, "\n"))
	}
	began := time.Now()
	var halves [2]simTally
	var work sync.WaitGroup
	for i := range halves {
		halves[i].init()
		work.Go(func() {
			for seed := i; seed < *simSeeds; seed += len(halves) {
				halves[i].add(uint64(seed), simulate(uint64(seed), false))
			}
		})
	}
	work.Wait()
	tally := &halves[0]
	tally.merge(&halves[1])
	t.Logf("%v in %v", tally, time.Since(began).Round(time.Millisecond))
	tally.judge(t)
	if len(tally.broken) == 0 {
		return
	}
	seeds := slices.Sorted(maps.Keys(tally.broken))
	for _, seed := range seeds[:min(len(seeds), 10)] {
		t.Errorf("seed %d: %s", seed, tally.broken[seed])
	}
	trace := simulate(seeds[0], true).trace
	t.Errorf("%d seeds are broken. The end of seed %d:\n%s", len(seeds), seeds[0], strings.Join(trace[max(0, len(trace)-150):], "\n"))
}

// TestSimulationReplays has seeds run twice: they do the same, byte for byte.
func TestSimulationReplays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		once, again := simulate(seed, true).trace, simulate(seed, true).trace
		if len(once) < simFewest || !slices.Equal(once, again) {
			t.Errorf("seed %d does not replay: %d lines, then %d", seed, len(once), len(again))
		}
	}
}
