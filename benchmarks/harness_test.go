package benchmarks

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// minPairs is how many pairs of chunks a benchmark measures at least, whatever -benchtime says.
const minPairs = 11

// chunkTime is how long each side of a pair is measured at least: what disturbs the machine for less should not decide.
const chunkTime = 5 * time.Millisecond

// chunk makes some operations and returns how many.
type chunk func() (ops int, err error)

// sample is what chunks cost.
type sample struct {
	ops            int
	took           time.Duration
	mallocs, bytes uint64
}

func (s sample) perOp() float64 { return float64(s.took.Nanoseconds()) / float64(s.ops) }

// pair is two samples taken one after the other: what disturbs the machine disturbs both.
type pair struct{ floor, ours sample }

var errNothing = errors.New("benchmarks: nothing was measured")

// measure runs chunks for at least chunkTime.
func measure(run chunk) (s sample, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for s.took < chunkTime {
		ops, err := run()
		s.took = time.Since(start)
		switch {
		case err != nil:
			return sample{}, err
		case ops <= 0:
			return sample{}, fmt.Errorf("%w: %d operations in %v", errNothing, ops, s.took)
		}
		s.ops += ops
	}
	runtime.ReadMemStats(&after)
	s.mallocs, s.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return s, nil
}

// alternate runs chunks of a floor and of ours in turn for as long as the benchmark runs. It reports the median of the
// ratios of the pairs as ratio ("x-floor"), that of the floor's times (as "floor-ns"), and as ns/op and allocs/op what ours
// costs. It fails the benchmark if either measured nothing.
func alternate(b *testing.B, ratio string, floor, ours chunk) {
	b.Helper()
	reportAllocs(b, alternatePairs(b, ratio, func(turn int) (p pair, err error) {
		var floorErr, oursErr error
		if turn%2 == 0 {
			p.floor, floorErr = measure(floor)
			p.ours, oursErr = measure(ours)
		} else {
			p.ours, oursErr = measure(ours)
			p.floor, floorErr = measure(floor)
		}
		return p, errors.Join(floorErr, oursErr)
	}))
}

// alternatePairs is alternate for pairs that measure makes, without their allocations; turn counts them.
func alternatePairs(b *testing.B, ratio string, measure func(turn int) (pair, error)) (pairs []pair) {
	b.Helper()
	next := func() {
		p, err := measure(len(pairs))
		if err != nil {
			b.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	next() // whatever has to warm up does so here
	pairs = pairs[:0]
	for b.Loop() {
		next()
	}
	for len(pairs) < minPairs {
		next()
	}
	b.ReportMetric(median(pairs, func(p pair) float64 { return p.ours.perOp() / p.floor.perOp() }), ratio)
	b.ReportMetric(median(pairs, func(p pair) float64 { return p.floor.perOp() }), strings.TrimPrefix(ratio, "x-")+"-ns")
	b.ReportMetric(median(pairs, func(p pair) float64 { return p.ours.perOp() }), "ns/op")
	return pairs
}

// reportAllocs reports what ours allocated.
func reportAllocs(b *testing.B, pairs []pair) {
	b.Helper()
	b.ReportAllocs()
	var total sample
	for _, p := range pairs {
		total.ops += p.ours.ops
		total.mallocs += p.ours.mallocs
		total.bytes += p.ours.bytes
	}
	// What is left of less than a half is of the harness itself and of the runtime.
	perOp := func(n uint64) float64 { return math.Round(float64(n) / float64(total.ops)) }
	b.ReportMetric(perOp(total.mallocs), "allocs/op")
	b.ReportMetric(perOp(total.bytes), "B/op")
}

func median(pairs []pair, of func(pair) float64) float64 {
	values := make([]float64, len(pairs))
	for i, p := range pairs {
		values[i] = of(p)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// latencies is a histogram of single calls, of one goroutine, from 100 ns to a minute.
type latencies struct{ *hdrhistogram.Histogram }

func newLatencies() latencies {
	return latencies{hdrhistogram.New(100, time.Minute.Nanoseconds(), 2)}
}

// reportLatencies reports the percentiles of what the histograms hold together, and fails the benchmark if they hold
// nothing.
func reportLatencies(b *testing.B, prefix string, of ...latencies) {
	b.Helper()
	all := newLatencies()
	for _, l := range of {
		if dropped := all.Merge(l.Histogram); dropped > 0 {
			b.Fatalf("%d latencies out of range", dropped)
		}
	}
	if all.TotalCount() == 0 {
		b.Fatalf("%v: no latencies", errNothing)
	}
	for _, p := range []struct {
		name string
		at   float64
	}{{"p50-us", 50}, {"p99-us", 99}, {"p999-us", 99.9}} {
		b.ReportMetric(float64(all.ValueAtPercentile(p.at))/1e3, prefix+p.name)
	}
}
