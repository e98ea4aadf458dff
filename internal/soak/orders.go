package main

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// orders sends orders at a steady rate while the key is turned, and for as long twice while it is not. The three follow each other
// rotation by rotation, so that what else the machine does meets all of them alike. What rotations add is told beside what the two
// without them, which are alike, differ by: no less can be told on this machine. Each order is measured from when it was due, so that
// one that was held up before it was sent counts as late.
type orders struct {
	Turns    int
	For      time.Duration // a chunk, in all
	Rate     int           // orders a second
	Sessions int
	// Stagger is as in rotate.Config.
	Stagger time.Duration
	Reset   deribittest.ResetProfile
	// Fault, if set, is called for each order during rotations, and gives it another label.
	Fault func(label string) string
}

// addedLimits are what rotations may add to the latency of a call, in microseconds, by the percentile.
var addedLimits = map[string]float64{"p99": 20, "p99.9": 50, "max": 1000}

// turn is what its chunks met with.
type turn struct{ without, again, with chunk }

func (m orders) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Reset: m.Reset})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	f, err := openFleet(ctx, x, fleetConfig{sessions: m.Sessions, stagger: m.Stagger})
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	t := &trading{orders: m, fleet: f, desk: &desk{caller: f.sessions[0]}}
	warm := newChunk()
	if err := t.rotating(ctx, &warm); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	t.rotations = 0
	var turns []turn
	for n := range m.Turns {
		one, err := t.turn(ctx)
		if err != nil {
			return nil, err
		}
		turns = append(turns, one)
		e.progress("turns", n+1, m.Turns)
	}
	return t.judge(turns)
}

// trading is a run.
type trading struct {
	orders
	fleet     *fleet
	desk      *desk
	rotations int
	length    time.Duration // of the last rotation
}

// turn fills its chunks, each time in another order: what comes first, and what follows what, is not always the same.
func (t *trading) turn(ctx context.Context) (turn, error) {
	one := turn{newChunk(), newChunk(), newChunk()}
	steps := []func() error{
		func() error { return t.quiet(ctx, &one.without) },
		func() error { return t.rotating(ctx, &one.with) },
		func() error { return t.quiet(ctx, &one.again) },
	}
	for n, rotated := 0, time.Duration(0); rotated < t.For; n++ {
		for i := range steps {
			if err := steps[(i+n)%len(steps)](); err != nil {
				return one, err
			}
		}
		rotated += t.length
	}
	return one, nil
}

// quiet is as long as the last rotation was, without one.
func (t *trading) quiet(ctx context.Context, c *chunk) error {
	return t.desk.trade(ctx, c, t.Rate, nil, func() error { return wait(ctx, t.length) })
}

// rotating is one rotation long.
func (t *trading) rotating(ctx context.Context, c *chunk) error {
	return t.desk.trade(ctx, c, t.Rate, t.Fault, func() error {
		begun := time.Now()
		if err := t.fleet.rotate(ctx); err != nil {
			return err
		}
		t.rotations, t.length = t.rotations+1, time.Since(begun)
		return nil
	})
}

func (t *trading) judge(turns []turn) (*result, error) {
	r := newResult("orders", "%d a second over one of %d sessions, in %d turns of three times %v: with rotations and twice without, "+
		"in changes of a rotation's length; from one session to the next %v (0 is the rotator's default); a reset: %v; %s; medians over the turns [95 %% sure, from six turns on]",
		t.Rate, t.Sessions, len(turns), t.For, t.Stagger, t.Reset, t.fleet.exchange.cores())
	r.atLeast(1, figure{What: "rotations", Value: float64(t.rotations)})
	for _, p := range points {
		d := differ(turns, p.at)
		added := figure{What: "added " + p.name, Value: median(d.added), Unit: "us", Detail: d.String()}
		if limit, promised := addedLimits[p.name]; promised && t.Reset == (deribittest.ResetProfile{}) {
			r.atMost(limit, added)
		} else {
			r.Figures = append(r.Figures, added)
		}
	}
	quiet, with := make([]chunk, 0, 2*len(turns)), make([]chunk, 0, len(turns))
	for _, one := range turns {
		quiet, with = append(quiet, one.without, one.again), append(with, one.with)
	}
	r.tell("the pacer's own delay p99, without", micros(lateness(quiet)), "us")
	r.tell("the pacer's own delay p99, with", micros(lateness(with)), "us")
	if t.Reset.Connections == deribittest.ConnectionsKept {
		r.equal(0, failures("failed orders", append(quiet, with...)...))
	}
	return r, t.count(r)
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
func (t *trading) count(r *result) error {
	counts, err := t.fleet.exchange.executed(t.desk.labels)
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
	if t.Reset.Connections == deribittest.ConnectionsKept {
		r.equal(float64(len(t.desk.labels)), figure{What: "orders executed once", Value: float64(once)})
	}
	return nil
}
