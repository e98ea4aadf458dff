package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies is a histogram from 100 ns to ten minutes, three digits exact, for one goroutine.
type latencies struct{ *hdrhistogram.Histogram }

func newLatencies() latencies {
	return latencies{hdrhistogram.New(100, (10 * time.Minute).Nanoseconds(), 3)}
}

// add counts a duration; what is longer than the histogram counts as its longest.
func (l latencies) add(d time.Duration) {
	_ = l.RecordValue(min(d.Nanoseconds(), l.HighestTrackableValue()))
}

func (l latencies) at(percentile float64) time.Duration {
	return time.Duration(l.ValueAtPercentile(percentile))
}

// points are the percentiles that are looked at.
var points = []struct {
	name string
	at   float64
}{{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}}

// tell adds the percentiles to a result.
func (l latencies) tell(r *result, what string, unit time.Duration) {
	for _, p := range points {
		r.tell(what+" "+p.name, float64(l.at(p.at))/float64(unit), unit.String()[1:])
	}
}
