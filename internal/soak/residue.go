package main

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"time"
)

// residue is what a process holds on to.
type residue struct {
	heap        uint64 // bytes of live objects
	goroutines  int
	descriptors int // -1 where the system does not tell
}

// measure collects the garbage, twice because pools outlive the first time, and counts what is left.
func measure() residue {
	runtime.GC()
	runtime.GC()
	return residue{heap: heapObjects(), goroutines: runtime.NumGoroutine(), descriptors: descriptors()}
}

// heapObjects is the size of the heap's objects, with those that are dead and not collected yet.
func heapObjects() uint64 { return readMetric("/memory/classes/heap/objects:bytes") }

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(open)
}

// patience is how long what was told to end may take to do so.
func (e env) patience() time.Duration { return cmp.Or(e.Patience, 5*time.Second) }

// measureAfter measures until nothing is left that was not there before, or will not go.
func (e env) measureAfter(ctx context.Context, before residue) (after residue, err error) {
	for deadline := time.Now().Add(e.patience()); ; {
		after = measure()
		same := after.goroutines == before.goroutines && after.descriptors == before.descriptors
		if same || time.Now().After(deadline) {
			return after, nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return after, err
		}
	}
}

// measureSteady measures once the counts have stopped to change.
func (e env) measureSteady(ctx context.Context) (residue, error) {
	before := measure()
	for deadline := time.Now().Add(e.patience()); ; {
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return before, err
		}
		now := measure()
		if now.goroutines == before.goroutines && now.descriptors == before.descriptors || time.Now().After(deadline) {
			return now, nil
		}
		before = now
	}
}

const mebi = 1 << 20

// nothingLeft promises that a run has left no goroutine, no descriptor, and no more than a MiB.
func (r *result) nothingLeft(before, after residue) {
	r.atMost(1, figure{
		What: "heap, after - before", Value: (float64(after.heap) - float64(before.heap)) / mebi, Unit: "MiB",
	})
	r.equal(float64(before.goroutines), figure{What: "goroutines", Value: float64(after.goroutines)})
	r.equal(float64(before.descriptors), figure{What: "descriptors", Value: float64(after.descriptors)})
}

// wait waits, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
