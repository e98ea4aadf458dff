package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// phase is where in the run a call began.
type phase = int32

const (
	before phase = iota
	during
	after
	phases
)

// caller is one of many goroutines that read, order and cancel over a session that they share.
type caller struct {
	id      int
	session *session.Session
	market  []quote
	phase   *atomic.Int32
	pace    time.Duration

	seq    int
	open   []placed
	calls  calls
	orders orders
	made   [phases][]htmlreport.Call
	broken []string
}

// quote is an instrument, and a price at which a bid will rest.
type quote struct {
	instrument string
	amount     float64
	price      float64
}

// placed is an order that rests.
type placed struct{ id, label string }

type order struct {
	ID    string `json:"order_id"`
	State string `json:"order_state"`
	Label string `json:"label"`
}

// run calls until ctx ends. No call is cut off by that.
func (c *caller) run(ctx context.Context) {
	// Callers that started together should not call in step.
	if wait(ctx, rand.N(c.pace)) != nil {
		return
	}
	tick := time.NewTicker(c.pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch n := rand.IntN(10); {
		case n < 6:
			c.read()
		case n < 8 || len(c.open) == 0:
			c.place()
		default:
			c.cancel()
		}
	}
}

// read makes one of three calls, whose outcome call counts.
func (c *caller) read() {
	instrument := map[string]any{"instrument_name": c.market[rand.IntN(len(c.market))].instrument}
	switch rand.IntN(3) {
	case 0:
		_ = c.call("public/ticker", instrument, nil)
	case 1:
		_ = c.call("private/get_open_orders_by_instrument", instrument, nil)
	default:
		_ = c.call("private/get_account_summary", map[string]any{"currency": "BTC"}, nil)
	}
}

func (c *caller) place() {
	q := c.market[rand.IntN(len(c.market))]
	c.seq++
	label := fmt.Sprintf("caller-%d-%d", c.id, c.seq)
	params := map[string]any{
		"instrument_name": q.instrument, "amount": q.amount, "type": "limit", "price": q.price, "label": label,
	}
	var got struct {
		Order order `json:"order"`
	}
	err := c.call("private/buy", params, &got)
	switch {
	case err == nil:
		c.orders.Placed++
		c.open = append(c.open, placed{got.Order.ID, label})
	case isUnknown(err):
		c.reconcile(label)
	}
}

func (c *caller) cancel() {
	o := c.open[len(c.open)-1]
	err := c.call("private/cancel", map[string]any{"order_id": o.id}, nil)
	switch {
	case err == nil:
		c.orders.Cancelled++
		c.open = c.open[:len(c.open)-1]
	case isUnknown(err):
		c.open = c.open[:len(c.open)-1]
		c.reconcile(o.label)
	}
}

// reconcile finds out what became of an order whose call has an unknown outcome. Nothing is sent twice: the label tells.
func (c *caller) reconcile(label string) {
	for range 20 {
		if c.waitReady() != nil {
			break
		}
		var found []order
		err := c.call("private/get_order_state_by_label", map[string]any{"currency": "any", "label": label}, &found)
		if err != nil {
			continue // the session may have gone down again
		}
		c.orders.Reconciled++
		for _, o := range found {
			c.orders.Placed++
			if o.State == "open" {
				c.open = append(c.open, placed{o.ID, label})
			}
		}
		return
	}
	c.orders.Unresolved++
}

// call makes a call and counts its outcome. A call that was not sent is made again when the session is ready: that is
// safe, and it is the caller's to decide.
func (c *caller) call(method string, params, result any) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		at, began := c.phase.Load(), time.Now()
		err := c.session.Call(ctx, method, params, result)
		cancel()
		c.made[at] = append(c.made[at], htmlreport.Call{Started: began, Took: time.Since(began), Failed: err != nil})
		c.calls.Total++
		switch {
		case err == nil:
			c.calls.OK++
			return nil
		case isUnknown(err):
			c.calls.Unknown++
			return err
		case rpc.SafeToRetry(err) && isUnanswered(err):
			c.calls.NotSent++
			if err := c.waitReady(); err != nil {
				c.broken = append(c.broken, fmt.Sprintf("caller %d: %v", c.id, err))
				return err
			}
		default:
			c.calls.Refused++
			c.broken = append(c.broken, fmt.Sprintf("caller %d: %s: %v", c.id, method, err))
			return err
		}
	}
}

func (c *caller) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.session.WaitReady(ctx)
}

func isUnanswered(err error) bool {
	_, ok := errors.AsType[*rpc.CallError](err)
	return ok
}

func isUnknown(err error) bool {
	unanswered, ok := errors.AsType[*rpc.CallError](err)
	return ok && unanswered.Outcome == rpc.Unknown
}
