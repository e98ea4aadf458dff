package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// rotations turns a key under a fleet many times: nothing may be left of any of it.
type rotations struct {
	Count, Sessions int
	// Subscribed sessions have channels, of their account and raw: those are verified in each rotation, which credits pace.
	Subscribed int
	Reset      deribittest.ResetProfile
	// Fault, if set, is called in each rotation that counts: what it leaves must be found.
	Fault func()
}

// channels are what a session with channels has.
var channels = []string{"user.orders.any.any.raw", "book.BTC-PERPETUAL.raw"}

func (m rotations) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Reset: m.Reset})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	f, err := openFleet(ctx, x, fleetConfig{sessions: m.Sessions, stagger: -1})
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := m.subscribe(ctx, f); err != nil {
		return nil, err
	}
	return m.judge(ctx, f)
}

func (m rotations) subscribe(ctx context.Context, f *fleet) error {
	for _, one := range f.sessions[:m.Subscribed] {
		cfg := session.SubscribeConfig{Handler: func(session.Notification) {}}
		if _, err := one.Subscribe(ctx, cfg, channels...); err != nil {
			return err
		}
	}
	return nil
}

func (m rotations) judge(ctx context.Context, f *fleet) (*result, error) {
	warmUp := max(min(m.Count/10, 500), 10)
	if _, err := m.turn(ctx, f, warmUp); err != nil {
		return nil, err
	}
	before, err := f.exchange.measureSteady(ctx)
	if err != nil {
		return nil, err
	}
	took, err := m.turn(ctx, f, m.Count)
	if err != nil {
		return nil, err
	}
	after, err := f.exchange.measureAfter(ctx, before)
	if err != nil {
		return nil, err
	}
	r := newResult("rotations", "%d rotations over %d sessions, %d of them with %s; a reset: %v; the first %d, which came before, warmed up",
		m.Count, m.Sessions, m.Subscribed, strings.Join(channels, " and "), m.Reset, warmUp)
	r.equal(float64(m.Count), figure{What: "rotations of every session", Value: float64(took.TotalCount())})
	r.nothingLeft(before, after)
	if m.Reset.Connections == deribittest.ConnectionsKept {
		r.equal(0, figure{What: "reconnects", Value: float64(f.reconnects())})
	}
	took.tell(r, "rotation", time.Millisecond)
	return r, nil
}

// turn rotates n times.
func (m rotations) turn(ctx context.Context, f *fleet, n int) (latencies, error) {
	took := newLatencies()
	for i := range n {
		began := time.Now()
		if err := f.rotate(ctx); err != nil {
			return took, fmt.Errorf("rotation %d of %d: %w", i+1, n, err)
		}
		took.add(time.Since(began))
		if m.Fault != nil && n == m.Count {
			m.Fault()
		}
		f.exchange.progress("rotations", i+1, n)
	}
	return took, nil
}
