package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	instrument = "BTC-PERPETUAL"
	pace       = 5 * time.Millisecond // from one quote to the next; a small account may order five times a second
	depth      = 8                    // quotes that rest at a time

	patience  = 2 * time.Second // with an answer to an order
	life      = 2 * time.Second // of a request to place one: the exchange takes none that comes later
	tolerance = time.Second     // of the exchange's clock and this one's
	inDoubt   = 10 * time.Second
)

// engine quotes over a session.
type engine struct {
	session *session.Session
	log     *log.Logger
	every   time.Duration // from one line of how it goes to the next
	gate    gate
	run     string   // begins the label of every order, so that none is that of an earlier run
	labels  []string // of every order that may have left
	resting []string // labels of those that are open, as far as is known
	took    []time.Duration
	counts  counts
	err     error // an order of which it does not know what has become
}

// counts are of orders by what has become of them.
type counts struct {
	Placed        int `json:"placed"`
	Refused       int `json:"refused"`
	NotSent       int `json:"not_sent"`
	Cancelled     int `json:"cancelled"`
	Gone          int `json:"gone"`
	Unknown       int `json:"unknown"`
	UnknownPlaced int `json:"unknown_placed"`
}

func newEngine(s *session.Session, every time.Duration, told *log.Logger) *engine {
	return &engine{
		session: s, log: told, every: every, gate: gate{log: told, changed: make(chan struct{}, 1)},
		run: strconv.FormatInt(time.Now().UnixMilli(), 36),
	}
}

// quote places orders while that is safe, and takes the oldest back, until ctx ends. What is on its way then is waited for: to give it up
// would be not to know what has become of it.
func (e *engine) quote(ctx context.Context) {
	due := time.NewTicker(pace)
	defer due.Stop()
	tell := time.NewTicker(e.every)
	defer tell.Stop()
	whole := context.WithoutCancel(ctx)
	for n := 0; ctx.Err() == nil; n++ {
		if !e.gate.wait(ctx) {
			return
		}
		e.place(whole, fmt.Sprintf("quote-%s-%d", e.run, n))
		if len(e.resting) > depth {
			e.takeBack(whole, e.resting[0])
		}
		select {
		case <-tell.C:
			e.log.Printf("%d placed, %d cancelled, %d resting, %d refused, %d not sent, %d unknown",
				e.counts.Placed, e.counts.Cancelled, len(e.resting), e.counts.Refused, e.counts.NotSent, e.counts.Unknown)
		default:
		}
		select {
		case <-due.C:
		case <-ctx.Done():
		}
	}
}

// place places an order, and finds out what has become of it. It is sent once.
func (e *engine) place(ctx context.Context, label string) {
	began := time.Now()
	answered, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := e.session.Call(answered, "private/buy", map[string]any{
		"instrument_name": instrument, "amount": 10, "type": "limit", "price": 1000, "label": label,
		"valid_until": began.Add(life).UnixMilli(),
	}, nil)
	_, isUnanswered := errors.AsType[*rpc.CallError](err)
	switch {
	case err == nil:
		e.took = append(e.took, time.Since(began))
		e.counts.Placed++
		e.rest(label)
	case rpc.SafeToRetry(err) && isUnanswered:
		e.counts.NotSent++ // it may be sent again: here the next quote takes its place
		return
	case rpc.SafeToRetry(err):
		e.counts.Refused++
	default: // no answer, or one that leaves it open
		e.counts.Unknown++
		e.log.Printf("%s: it may have been placed: %v", label, err)
		e.reconcile(ctx, label, began.Add(life+tolerance))
	}
	e.labels = append(e.labels, label)
}

func (e *engine) rest(label string) { e.resting = append(e.resting, label) }

// reconcile asks for an order that may have been placed, by its label: it is never sent again. That there is no such order is believed
// once the exchange takes it no more; until then its request may still be on the way.
func (e *engine) reconcile(ctx context.Context, label string, takenUntil time.Time) {
	ctx, cancel := context.WithTimeout(ctx, inDoubt)
	defer cancel()
	due := time.NewTicker(100 * time.Millisecond)
	defer due.Stop()
	for {
		state, err := e.state(ctx, label)
		switch {
		case err == nil && state != "":
			e.counts.UnknownPlaced++
			e.log.Printf("%s: it was placed, and is %s", label, state)
			if state == "open" {
				e.rest(label)
			}
			return
		case err == nil && time.Now().After(takenUntil):
			e.log.Printf("%s: the exchange has no such order", label)
			return
		case ctx.Err() != nil:
			err = fmt.Errorf("%s: what has become of it is not known: %w", label, err)
			e.log.Print(err)
			e.err = errors.Join(e.err, err)
			return
		}
		select {
		case <-due.C:
		case <-ctx.Done():
		}
	}
}

// state is the state of the order with a label, empty if there is none.
func (e *engine) state(ctx context.Context, label string) (string, error) {
	if err := e.session.WaitReady(ctx); err != nil {
		return "", err
	}
	found, err := rpc.Call[[]struct {
		State string `json:"order_state"`
	}](ctx, e.session, "private/get_order_state_by_label", map[string]string{"currency": "BTC", "label": label})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].State, nil
}

// takeBack cancels an order. A cancel may be sent again: once is as good as twice.
func (e *engine) takeBack(ctx context.Context, label string) {
	n, err := rpc.Call[int](ctx, e.session, "private/cancel_by_label", map[string]string{"currency": "BTC", "label": label})
	switch {
	case err != nil:
		return // it is the oldest still, and is tried again
	case n == 0:
		e.counts.Gone++ // cancelled when the connection was lost
	default:
		e.counts.Cancelled++
	}
	e.resting = slices.DeleteFunc(e.resting, func(l string) bool { return l == label })
}

// flatten takes back whatever is open, also when ctx has ended: a clean Close cancels nothing.
func (e *engine) flatten(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inDoubt)
	defer cancel()
	err := e.session.WaitReady(ctx)
	if err == nil {
		err = e.session.Call(ctx, "private/cancel_all", nil, nil)
	}
	if err != nil {
		return fmt.Errorf("orders may be open, look at the exchange: %w", err)
	}
	return nil
}

// result is what is printed. Durations are in nanoseconds.
type result struct {
	counts

	P50         int64 `json:"p50_ns"`
	P99         int64 `json:"p99_ns"`
	Stops       int   `json:"stops"`
	NotSafe     int64 `json:"not_safe_ns"`
	Connections int   `json:"connections"`
	Open        int   `json:"open"`
	Twice       int   `json:"twice"`
	Kept        bool  `json:"kept"`
}

func (e *engine) result(exchange *deribittest.Server) *result {
	r := &result{counts: e.counts, Connections: int(e.session.Stats().Epoch)} //nolint:gosec // a few
	slices.Sort(e.took)
	if n := len(e.took); n > 0 {
		r.P50, r.P99 = int64(e.took[n/2]), int64(e.took[n*99/100])
	}
	r.Stops, r.NotSafe = e.gate.stops, int64(e.gate.lost)
	executed := 0
	for _, label := range e.labels {
		switch n := exchange.Executed(label); {
		case n > 1:
			r.Twice++
			fallthrough
		case n == 1:
			executed++
		}
	}
	open, err := rpc.Call[[]struct{}](context.Background(), e.session, "private/get_open_orders", nil)
	r.Open = len(open)
	r.Kept = err == nil && e.err == nil && r.Open == 0 && r.Twice == 0 && r.Placed > 0 && executed == r.Placed+r.UnknownPlaced
	return r
}
