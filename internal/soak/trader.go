package main

import (
	"context"
	"sync/atomic"
	"time"
)

// trader is a caller that leaves orders in the book and cancels them later: some live through many connections.
type trader struct {
	caller
	handing *atomic.Int64 // how often a handover has begun or ended: odd while one is under way
	open    []int         // numbers of the orders that are to be open, oldest first
	gone    int           // of those, that were not
	during  latencies     // of calls that met with a handover
	beside  latencies     // of the others
}

// rests is how many orders of a trader stay in the book, and pause how long it waits between its rounds.
const (
	rests = 16
	pause = 10 * time.Millisecond
)

func (t *trader) trade(ctx context.Context, end <-chan struct{}) error {
	for {
		select {
		case <-end:
			return nil
		case <-time.After(pause):
		}
		if err := t.round(ctx); err != nil {
			return err
		}
	}
}

// round places an order, looks it up, reads a ticker, and cancels the oldest order.
func (t *trader) round(ctx context.Context) error {
	t.made++
	number := len(t.orders)
	if err := t.timed(func() error { return t.order(ctx) }); err != nil {
		return err
	}
	if t.orders[number] == answered {
		t.open = append(t.open, number)
		if err := t.timed(func() error { return t.lookUp(ctx, number) }); err != nil {
			return err
		}
	}
	read := func() error { return t.readTicker(ctx, t.instruments[(t.made+t.id)%len(t.instruments)]) }
	if err := t.timed(read); err != nil || len(t.open) <= rests {
		return err
	}
	return t.timed(func() error { return t.cancel(ctx) })
}

func (t *trader) timed(call func() error) error {
	before, began := t.handing.Load(), time.Now()
	err := call()
	into := t.beside
	if before%2 == 1 || t.handing.Load() != before {
		into = t.during
	}
	into.add(time.Since(began))
	return err
}

// cancel cancels the oldest order, which must be open.
func (t *trader) cancel(ctx context.Context) error {
	number := t.open[0]
	t.open = t.open[1:]
	var cancelled int
	was, err := t.call(ctx, "private/cancel_by_label", map[string]string{"currency": "BTC", "label": t.label(number)}, &cancelled)
	if was == answered && cancelled != 1 {
		t.gone++
	}
	return err
}
