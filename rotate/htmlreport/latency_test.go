package htmlreport_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
)

// TestSummary: percentiles are those of the calls that did not fail.
func TestSummary(t *testing.T) {
	t.Parallel()
	var calls []htmlreport.Call
	for i := range 200 {
		calls = append(calls, htmlreport.Call{Took: time.Duration(200-i) * us})
	}
	failed := htmlreport.Call{Took: time.Hour, Failed: true}
	for name, c := range map[string]struct {
		calls []htmlreport.Call
		want  htmlreport.Latency
	}{
		"none":       {nil, htmlreport.Latency{}},
		"one":        {calls[199:], htmlreport.Latency{Calls: 1, P50: us, P99: us, Max: us}},
		"many":       {calls, htmlreport.Latency{Calls: 200, P50: 101 * us, P99: 199 * us, Max: 200 * us}},
		"one failed": {append(slices.Clone(calls), failed), htmlreport.Latency{Calls: 201, Failed: 1, P50: 101 * us, P99: 199 * us, Max: 200 * us}},
		"all failed": {[]htmlreport.Call{failed, failed}, htmlreport.Latency{Calls: 2, Failed: 2}},
	} {
		if got := htmlreport.Summarise(c.calls); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestBuckets: each call that an axis shows is in exactly one bucket, the one of its time; there are not too many of them, they do
// not overlap, and each is what a summary of its calls is.
func TestBuckets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) htmlreport.Call {
			return htmlreport.Call{
				Started: noon.Add(time.Duration(rapid.Int64Range(-2e9, 2e9).Draw(t, "started"))),
				Took:    time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "took")),
				Failed:  rapid.Bool().Draw(t, "failed"),
			}
		}), 0, 300).Draw(t, "calls")
		from := rapid.Float64Range(-2, 1).Draw(t, "from")
		to := from + rapid.Float64Range(1e-6, 2).Draw(t, "span")
		most := rapid.IntRange(12, 120).Draw(t, "most")
		buckets := htmlreport.Buckets(calls, noon, from, to, most)
		if len(buckets) > most+1 { // the first and the last may be cut
			t.Fatalf("%d buckets", len(buckets))
		}
		end := math.Inf(-1)
		for _, b := range buckets {
			if b.From < end-1e-9 {
				t.Fatalf("the bucket at %v begins before %v", b.From, end)
			}
			end = b.From + b.Width
			want := htmlreport.Summarise(within(calls, b.From, from, to, b.Width))
			want.From, want.Width = b.From, b.Width
			if b.Calls == 0 || b != want {
				t.Fatalf("%+v, want %+v", b, want)
			}
		}
		if got, want := total(buckets), len(within(calls, from, from, to, math.Inf(1))); got != want {
			t.Fatalf("%d calls in buckets, %d were made", got, want)
		}
	})
}

// within is what bucket of the axis from..to a call belongs to, worked out another way.
func within(calls []htmlreport.Call, bucket, from, to, width float64) []htmlreport.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c htmlreport.Call) bool {
		at := c.Started.Sub(noon).Seconds()
		inside := math.IsInf(width, 1) || math.Floor(at/width) == math.Round(bucket/width)
		return at < from || at > to || !inside
	})
}

func total(buckets []htmlreport.Latency) int {
	n := 0
	for _, b := range buckets {
		n += b.Calls
	}
	return n
}

// TestNice: a step is the next of 1, 2 and 5 times a power of ten.
func TestNice(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]float64{0: 1e-6, 1e-7: 1e-6, 1: 1, 1.1: 2, 2.5: 5, 6: 10, 0.0012: 0.002, 4e9: 5e9} {
		if got := htmlreport.Nice(x); math.Abs(got-want) > want*1e-9 {
			t.Errorf("nice(%v) = %v, want %v", x, got, want)
		}
	}
}
