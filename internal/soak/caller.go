package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// caller is one of many goroutines that share a session. Each call that it makes can be told from all others by its answer.
type caller struct {
	id          int
	session     *session.Session
	instruments []string
	timeout     time.Duration
	newOrder    func(label string) order

	made   int
	orders []outcome // of the order of each number
	known  []int     // numbers of the latest orders that were answered
	tally  tally
}

// outcome is how a call ended.
type outcome uint8

const (
	answered outcome = iota
	refused
	notSent
	unknown
	missing // it did not end in its time
)

// tally counts outcomes, and what is wrong with them.
type tally struct {
	answered, refused, notSent, unknown, missing int64
	orders                                       int64
	mismatched                                   int64 // answers to something else
	resent                                       int64 // orders that were executed more than once
	denied                                       int64 // orders that were executed, though not sent or refused
	refusal                                      string
}

func (t *tally) outcomes() int64 { return t.answered + t.refused + t.notSent + t.unknown }

func (t *tally) add(other tally) {
	t.answered += other.answered
	t.refused += other.refused
	t.notSent += other.notSent
	t.unknown += other.unknown
	t.missing += other.missing
	t.orders += other.orders
	t.mismatched += other.mismatched
	t.resent += other.resent
	t.denied += other.denied
	if other.refusal != "" {
		t.refusal = other.refusal
	}
}

// hold holds the outcome of an order against how often the exchange executed it.
func (t *tally) hold(was outcome, executed int) {
	t.orders++
	switch {
	case executed > 1:
		t.resent++
	case executed == 1 && (was == notSent || was == refused):
		t.denied++
	case executed == 0 && was == answered:
		t.missing++
	}
}

// next makes a call: every tenth is an order, the others read.
func (c *caller) next(ctx context.Context) error {
	c.made++
	switch {
	case c.made%10 == 1:
		return c.order(ctx)
	case c.made%2 == 0 && len(c.known) > 0:
		return c.lookUp(ctx, c.known[c.made%len(c.known)])
	}
	return c.readTicker(ctx, c.instruments[(c.made+c.id)%len(c.instruments)])
}

func (c *caller) label(number int) string { return fmt.Sprintf("caller-%d-%d", c.id, number) }

// keep is how many orders a caller looks up again.
const keep = 16

func (c *caller) order(ctx context.Context) error {
	number := len(c.orders)
	label := c.label(number)
	var got placed
	was, err := c.call(ctx, "private/buy", c.newOrder(label), &got)
	c.orders = append(c.orders, was)
	if was != answered {
		return err
	}
	c.match(got.Order.Label, label)
	if len(c.known) == keep {
		c.known = c.known[1:]
	}
	c.known = append(c.known, number)
	return err
}

func (c *caller) lookUp(ctx context.Context, number int) error {
	label := c.label(number)
	var got []struct {
		Label string `json:"label"`
	}
	was, err := c.call(ctx, "private/get_order_state_by_label", map[string]string{"currency": "BTC", "label": label}, &got)
	switch {
	case was != answered:
	case len(got) == 1:
		c.match(got[0].Label, label)
	default:
		c.tally.mismatched++
	}
	return err
}

func (c *caller) readTicker(ctx context.Context, instrument string) error {
	var got struct {
		Instrument string `json:"instrument_name"`
	}
	was, err := c.call(ctx, "public/ticker", map[string]string{"instrument_name": instrument}, &got)
	if was == answered {
		c.match(got.Instrument, instrument)
	}
	return err
}

func (c *caller) match(got, want string) {
	if got != want {
		c.tally.mismatched++
	}
}

// call makes a call and counts how it ends. After one that was not sent it waits until the session is ready. Its error ends the
// run.
func (c *caller) call(ctx context.Context, method string, params, result any) (outcome, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	err := c.session.Call(limited, method, params, result)
	late := limited.Err() != nil
	cancel()
	unanswered, gone := errors.AsType[*rpc.CallError](err)
	switch {
	case err == nil:
		c.tally.answered++
		return answered, nil
	case late:
		c.tally.missing++
		return missing, ctx.Err()
	case gone && unanswered.Outcome == rpc.Unknown:
		c.tally.unknown++
		return unknown, nil
	case gone:
		c.tally.notSent++
		return notSent, c.session.WaitReady(ctx)
	}
	c.tally.refused++
	c.tally.refusal = err.Error()
	return refused, nil
}

// executed asks how often each order was executed.
func (c *caller) executed(x *exchange) (counts []int, err error) {
	const batch = 10_000
	for from := 0; from < len(c.orders); from += batch {
		var labels []string
		for number := from; number < min(from+batch, len(c.orders)); number++ {
			labels = append(labels, c.label(number))
		}
		some, err := x.executed(labels)
		if err != nil {
			return nil, err
		}
		counts = append(counts, some...)
	}
	return counts, nil
}
