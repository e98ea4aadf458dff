package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// desk sends orders that cannot trade, each with a label of its own.
type desk struct {
	caller *session.Session
	labels []string
}

// order is what is sent: so far below the market that it is cancelled at once.
type order struct {
	Instrument  string  `json:"instrument_name"`
	Amount      float64 `json:"amount"`
	Type        string  `json:"type"`
	Price       float64 `json:"price"`
	TimeInForce string  `json:"time_in_force,omitempty"`
	Label       string  `json:"label"`
}

func newOrder(label string) order {
	return order{"BTC-PERPETUAL", 10, "limit", 1000, "immediate_or_cancel", label}
}

// newResting is one that stays.
func newResting(label string) order {
	o := newOrder(label)
	o.TimeInForce = ""
	return o
}

// placed is the answer to it.
type placed struct {
	Order struct {
		Label string `json:"label"`
		State string `json:"order_state"`
	} `json:"order"`
}

// errAnswer is an answer that is not to the request.
var errAnswer = errors.New("soak: answered with another's order")

func (p placed) check(label string) error {
	if p.Order.Label != label || p.Order.State != "cancelled" {
		return fmt.Errorf("%w: %s, which is %s, for %s", errAnswer, p.Order.Label, p.Order.State, label)
	}
	return nil
}

// orderTimeout bounds each order: what is parked for longer has failed.
const orderTimeout = 10 * time.Second

// trade sends rate orders a second while during runs, none waiting for another, and adds them to c. fault, unless nil, changes
// the labels.
func (d *desk) trade(ctx context.Context, c *chunk, rate int, fault func(string) string, during func() error) error {
	return c.load(rate, during, func() func() error {
		label := fmt.Sprintf("order-%d", len(d.labels))
		if fault != nil {
			label = fault(label)
		}
		d.labels = append(d.labels, label)
		sent, err := d.caller.Send(ctx, "private/buy", newOrder(label))
		return func() error {
			if err != nil {
				return err
			}
			return d.await(ctx, sent, label)
		}
	})
}

func (d *desk) await(ctx context.Context, sent *session.Pending, label string) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	var got placed
	if err := sent.Wait(ctx, &got); err != nil {
		return err
	}
	return got.check(label)
}
