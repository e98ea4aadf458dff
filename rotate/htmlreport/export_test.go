package htmlreport

import "time"

// Latency is a bucket, or all of the calls if Width is 0.
type Latency struct {
	From, Width   float64 // seconds
	Calls, Failed int
	P50, P99, Max time.Duration
}

func exported(from, width float64, s summary) Latency {
	return Latency{from, width, s.Calls, s.Failed, s.P50, s.P99, s.Max}
}

// Summarise is summarise.
func Summarise(calls []Call) Latency { return exported(0, 0, summarise(calls)) }

// Buckets is what bucketsOf makes of calls between two times, in seconds from base.
func Buckets(calls []Call, base time.Time, from, to float64, most int) []Latency {
	var found []Latency
	for _, b := range bucketsOf(sorted(calls), axis{base, from, to}, most) {
		found = append(found, exported(b.From, b.Width, b.summary))
	}
	return found
}

// Of the texts.
var (
	Human   = human
	Shorten = shorten
	Nice    = nice
	Visible = visible
)
