package htmlreport

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// summary is how long calls took that did not fail: what was refused or not sent at once would look fast. With fewer than a
// hundred, the 99th percentile is the longest.
type summary struct {
	Calls, Failed int
	P50, P99, Max time.Duration // 0 if all failed
}

func (s summary) answered() bool { return s.Calls > s.Failed }

func summarise(calls []Call) summary {
	s := summary{Calls: len(calls)}
	took := make([]time.Duration, 0, len(calls))
	for _, c := range calls {
		if c.Failed {
			s.Failed++
		} else {
			took = append(took, c.Took)
		}
	}
	if len(took) == 0 {
		return s
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[min(int(share*float64(len(took))), len(took)-1)] }
	s.P50, s.P99, s.Max = at(0.50), at(0.99), took[len(took)-1]
	return s
}

// sorted is the calls by when they began.
func sorted(calls []Call) []Call {
	return slices.SortedStableFunc(slices.Values(calls), func(a, b Call) int { return a.Started.Compare(b.Started) })
}

// between is the calls that began in a stretch of time; calls are sorted.
func between(calls []Call, from, to time.Time) []Call {
	first := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(calls, t, func(c Call, t time.Time) int { return c.Started.Compare(t) })
		return i
	}
	return calls[first(from):max(first(from), first(to))]
}

// bucket is the calls that began in a short stretch of time, in seconds since the axis's base.
type bucket struct {
	summary

	From, Width float64
}

// bucketsOf splits the calls that an axis shows, at most into so many buckets, and into fewer if they would have few calls each.
// Empty ones are left out. Calls are sorted.
func bucketsOf(calls []Call, a axis, most int) []bucket {
	const fewest, worthwhile = 12, 20
	after := func(seconds float64) int {
		i, _ := slices.BinarySearchFunc(calls, seconds, func(c Call, t float64) int { return cmp.Compare(a.seconds(c.Started), t) })
		return i
	}
	first := after(a.from)
	calls = calls[first:max(first, after(math.Nextafter(a.to, math.Inf(1))))]
	width := nice((a.to - a.from) / float64(min(max(len(calls)/worthwhile, fewest), most)))
	number := func(c Call) float64 { return math.Floor(a.seconds(c.Started) / width) }
	var found []bucket
	for rest := calls; len(rest) > 0; {
		n := 1
		for n < len(rest) && number(rest[n]) == number(rest[0]) {
			n++
		}
		found = append(found, bucket{summarise(rest[:n]), number(rest[0]) * width, width})
		rest = rest[n:]
	}
	return found
}

// scale maps latencies to heights: a decade is as high as any other.
type scale struct {
	low, high   float64 // in seconds
	top, bottom float64
}

func newScale(buckets []bucket, top, bottom float64) scale {
	s := scale{low: math.Inf(1), high: 0, top: top, bottom: bottom}
	for _, b := range buckets {
		s.low = min(s.low, b.P50.Seconds())
		s.high = max(s.high, b.P99.Seconds())
	}
	s.high = nice(s.high)
	s.low = min(nice(s.low*0.49), s.high/10)
	return s
}

func (s scale) y(d time.Duration) float64 {
	share := math.Log(max(d.Seconds(), s.low)/s.low) / math.Log(s.high/s.low)
	return s.bottom - min(share, 1)*(s.bottom-s.top)
}

// round takes the decimals from what has none.
var round = strings.NewReplacer(".00 ", " ", ".0 ", " ")

func (s scale) ticks(f *figure) {
	steps := []float64{1, 2, 5}
	if s.high/s.low > 101 {
		steps = steps[:1]
	}
	for power := math.Pow(10, math.Floor(math.Log10(s.low))); power <= s.high*1.01; power *= 10 {
		for _, times := range steps {
			if v := power * times; v >= s.low*0.99 && v <= s.high*1.01 {
				d := time.Duration(math.Round(v * 1e9))
				f.Lines = append(f.Lines, line{plotLeft, px(s.y(d)), plotRight, px(s.y(d)), "grid"})
				f.text(labelColumn, s.y(d)+4, "scale", round.Replace(human(d)))
			}
		}
	}
}

// latencies draws the percentiles over time, with their names at the right end.
func (f *figure) latencies(buckets []bucket, a axis, top, bottom float64) {
	for _, b := range buckets {
		if b.Failed > 0 {
			hint := fmt.Sprintf("%d of %d calls failed", b.Failed, b.Calls)
			f.bar(a.x(b.From), a.x(b.From+b.Width), band{bottom - 4, 4}, "failed", hint)
		}
	}
	buckets = slices.DeleteFunc(slices.Clone(buckets), func(b bucket) bool { return !b.answered() })
	if len(buckets) == 0 {
		f.text((plotLeft+plotRight)/2, (top+bottom)/2, "none", "no call was answered")
		return
	}
	s := newScale(buckets, top, bottom)
	s.ticks(f)
	p50 := func(b bucket) time.Duration { return b.P50 }
	p99 := func(b bucket) time.Duration { return b.P99 }
	f.Paths = append(f.Paths, path{curve(buckets, a, s, p99), "p99"}, path{curve(buckets, a, s, p50), "p50"})
	last := buckets[len(buckets)-1]
	y50, y99 := s.y(last.P50), s.y(last.P99)
	if y50-y99 < 14 {
		middle := (y50 + y99) / 2
		y50, y99 = middle+7, middle-7
	}
	f.text(rightColumn, y99+4, "name99", "p99 "+human(last.P99))
	f.text(rightColumn, y50+4, "name50", "p50 "+human(last.P50))
}

// curve joins the middles of neighbouring buckets, and leaves out where nobody called. A bucket without neighbours is a dot.
func curve(buckets []bucket, a axis, s scale, of func(bucket) time.Duration) string {
	var d strings.Builder
	for i, b := range buckets {
		command := "L"
		if i == 0 || b.From-buckets[i-1].From > 1.5*b.Width {
			command = "M"
		}
		x, y := px(a.x(b.From+b.Width/2)), px(s.y(of(b)))
		fmt.Fprintf(&d, "%s%v %v", command, x, y)
		if command == "M" {
			d.WriteString("h0.1")
		}
	}
	return d.String()
}
