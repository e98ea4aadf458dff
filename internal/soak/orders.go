package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// orders sends orders at a steady rate, in chunks: with a key that is turned all the time, and without. What disturbs the
// machine for longer than a chunk disturbs both alike.
type orders struct {
	Chunks    int // of each kind
	Rotations int // in each chunk that has any
	Every     time.Duration
	Rate      int // orders a second
	Sessions  int
	Reset     deribittest.ResetProfile
	// Fault, if set, is called for each order of the chunks with rotations, and gives it another label.
	Fault func(label string) string
}

// addedLimits are what rotations may add to the latency of a call, in microseconds, by the percentile.
var addedLimits = map[string]float64{"p99": 20, "p99.9": 50, "max": 1000}

func (m orders) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Reset: m.Reset})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	f, err := openFleet(ctx, x, fleetConfig{sessions: m.Sessions})
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	d := &desk{caller: f.sessions[0]}
	var without, with []chunk
	if _, err := m.quiet(ctx, d); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	for turn := range m.Chunks {
		a, b, err := m.pair(ctx, d, f, turn)
		if err != nil {
			return nil, err
		}
		without, with = append(without, a), append(with, b)
		e.progress("pairs of chunks", turn+1, m.Chunks)
	}
	return m.judge(d, f, without, with)
}

// pair measures one chunk of each kind, now one first and then the other.
func (m orders) pair(ctx context.Context, d *desk, f *fleet, turn int) (without, with chunk, err error) {
	var first, second error
	if turn%2 == 0 {
		without, first = m.quiet(ctx, d)
		with, second = m.rotating(ctx, d, f)
	} else {
		with, first = m.rotating(ctx, d, f)
		without, second = m.quiet(ctx, d)
	}
	return without, with, errors.Join(first, second)
}

// quiet is a chunk without rotations.
func (m orders) quiet(ctx context.Context, d *desk) (chunk, error) {
	return d.trade(ctx, m.Rate, nil, func() error { return wait(ctx, time.Duration(m.Rotations)*m.Every) })
}

// rotating is a chunk with rotations.
func (m orders) rotating(ctx context.Context, d *desk, f *fleet) (chunk, error) {
	return d.trade(ctx, m.Rate, m.Fault, func() error {
		tick := time.NewTicker(m.Every)
		defer tick.Stop()
		for range m.Rotations {
			if err := f.rotate(ctx); err != nil {
				return err
			}
			<-tick.C
		}
		return nil
	})
}

func (m orders) judge(d *desk, f *fleet, without, with []chunk) (*result, error) {
	r := newResult("orders", "%d a second over one of %d sessions, in %d chunks with %d rotations each, one every %v, and as many without; "+
		"a reset: %v; client and rotator share the machine with the exchange; each chunk's percentiles, their median over the chunks",
		m.Rate, m.Sessions, m.Chunks, m.Rotations, m.Every, m.Reset)
	for _, p := range points {
		added := make([]float64, len(with))
		for i := range with {
			added[i] = micros(with[i].took.at(p.at)) - micros(without[i].took.at(p.at))
		}
		figure := figure{
			What: "added " + p.name, Value: median(added), Unit: "us",
			Detail: fmt.Sprintf("without %s, with %s, added %s", spread(without, p.at), spread(with, p.at), extent(added)),
		}
		if limit, promised := addedLimits[p.name]; promised && m.Reset == (deribittest.ResetProfile{}) {
			r.atMost(limit, figure)
		} else {
			r.Figures = append(r.Figures, figure)
		}
	}
	r.tell("the pacer's own delay p99, without", micros(lateness(without)), "us")
	r.tell("the pacer's own delay p99, with", micros(lateness(with)), "us")
	if m.Reset.Connections == deribittest.ConnectionsKept {
		r.equal(0, failures("failed orders", append(without, with...)...))
	}
	return r, m.count(r, d, f)
}

// lateness is how late orders were sent.
func lateness(chunks []chunk) time.Duration {
	all := newLatencies()
	for _, c := range chunks {
		all.Merge(c.late.Histogram)
	}
	return all.at(99)
}

// count has the exchange say how often each order was executed.
func (m orders) count(r *result, d *desk, f *fleet) error {
	counts, err := f.exchange.executed(d.labels)
	if err != nil {
		return err
	}
	once, twice := 0, 0
	for _, n := range counts {
		switch {
		case n == 1:
			once++
		case n > 1:
			twice++
		}
	}
	r.equal(0, figure{What: "orders executed twice", Value: float64(twice)})
	if m.Reset.Connections == deribittest.ConnectionsKept {
		r.equal(float64(len(d.labels)), figure{What: "orders executed once", Value: float64(once)})
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// spread tells the median and the extent of a percentile over chunks, in microseconds.
func spread(chunks []chunk, at float64) string {
	values := make([]float64, len(chunks))
	for i, c := range chunks {
		values[i] = micros(c.took.at(at))
	}
	return fmt.Sprintf("%.0f %s", median(values), extent(values))
}

func extent(values []float64) string {
	return fmt.Sprintf("[%.0f..%.0f]", slices.Min(values), slices.Max(values))
}
