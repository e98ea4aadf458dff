package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// calls makes many calls from many goroutines over one session whose connection breaks all the time, in the middle of frames.
// Each call must end once, with its own answer or the truth about it.
type calls struct {
	Count, Cut, Callers int
	// Timeout is how long a call may take: one that takes longer has no outcome; 0 is 30 s.
	Timeout time.Duration
}

func (m calls) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Cut: m.Cut, Tick: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	l := &ledger{}
	cfg := x.config("shared", x.engine())
	cfg.Observer = l
	shared, err := session.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	callers, err := m.call(ctx, e, shared)
	took := time.Since(began)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// The goodbye may meet with a cut like any other call.
	if closeErr := shared.Close(closing); err != nil || closing.Err() != nil {
		return nil, errors.Join(err, closeErr)
	}
	r = newResult("calls", "%d calls of %d callers over one session, a tenth of them orders; each connection is cut after about %d calls",
		m.Count, m.Callers, m.Cut)
	l.cuts = shared.Stats().Epoch - 1
	return r, m.judge(r, x, callers, accounts{l, took})
}

// call has all callers call.
func (m calls) call(ctx context.Context, e env, shared *session.Session) ([]*caller, error) {
	instruments, err := listInstruments(ctx, shared)
	if err != nil {
		return nil, err
	}
	callers := make([]*caller, m.Callers)
	errs := make([]error, m.Callers)
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		c := &caller{id: i, session: shared, instruments: instruments, timeout: m.Timeout, newOrder: newOrder}
		if c.timeout == 0 {
			c.timeout = 30 * time.Second
		}
		callers[i] = c
		all.Go(func() {
			for {
				n := int(made.Add(1))
				if n > m.Count || errs[i] != nil {
					return
				}
				errs[i] = c.next(ctx)
				e.progress("calls", n, m.Count)
			}
		})
	}
	all.Wait()
	return callers, errors.Join(errs...)
}

// listInstruments asks until it is answered: the connection may be cut at any time.
func listInstruments(ctx context.Context, s *session.Session) (names []string, err error) {
	type instrument struct {
		Name string `json:"instrument_name"`
	}
	for range 100 {
		if err = s.WaitReady(ctx); err != nil {
			return nil, err
		}
		var found []instrument
		if found, err = rpc.Call[[]instrument](ctx, s, "public/get_instruments", map[string]any{"currency": "any"}); err != nil {
			continue
		}
		for _, i := range found {
			names = append(names, i.Name)
		}
		return names, nil
	}
	return nil, err
}

// accounts are what was seen beside the callers.
type accounts struct {
	*ledger
	took time.Duration
}

func (m calls) judge(r *result, x *exchange, callers []*caller, a accounts) error {
	var sum tally
	for _, c := range callers {
		executed, err := c.executed(x)
		if err != nil {
			return err
		}
		for i, times := range executed {
			c.tally.hold(c.orders[i], times)
		}
		sum.add(c.tally)
	}
	r.tell("answered", float64(sum.answered), "")
	r.tell("ended as not sent", float64(sum.notSent), "")
	r.tell("ended as unknown", float64(sum.unknown), "")
	r.tell("orders", float64(sum.orders), "")
	r.tell("connections cut", float64(a.cuts), "")
	r.tell("rate", float64(m.Count)/a.took.Seconds(), "calls/s")
	// A run in which nothing could go wrong shows nothing.
	r.atLeast(float64(max(1, m.Count/m.Cut/3)), figure{What: "cuts that matter", Value: float64(a.cuts)})
	r.equal(float64(m.Count), figure{What: "outcomes", Value: float64(sum.outcomes())})
	r.equal(0, figure{What: "mismatched", Value: float64(sum.mismatched)})
	r.equal(0, figure{What: "refused", Value: float64(sum.refused), Detail: sum.refusal})
	// What began and did not end is missing; what ended more often than it began has two outcomes.
	open := a.started.Load() - a.ended.Load()
	r.equal(0, figure{What: "missing", Value: float64(sum.missing + max(open, 0))})
	r.equal(0, figure{What: "double outcomes", Value: float64(max(-open, 0))})
	r.equal(0, figure{What: "answers to nothing", Value: float64(a.strays.Load())})
	r.equal(0, figure{What: "executed, though not sent", Value: float64(sum.denied)})
	r.equal(0, figure{What: "orders resent", Value: float64(sum.resent)})
	return nil
}

// ledger counts how calls begin and end, as a [session.Observer] and as an [rpc.Observer].
type ledger struct {
	started, ended, strays atomic.Int64
	cuts                   uint64
}

// Opened implements [session.Observer].
func (l *ledger) Opened(*session.Session) {}

// Ended implements [session.Observer].
func (l *ledger) Ended(*session.Session) {}

// Calls implements [session.Observer].
func (l *ledger) Calls(context.Context, session.Step) rpc.Observer { return l }

// StepStart implements [session.Observer].
func (l *ledger) StepStart(ctx context.Context, _ session.Step) (context.Context, func(session.StepEnd)) {
	return ctx, func(session.StepEnd) {}
}

// StateChanged implements [session.Observer].
func (l *ledger) StateChanged(*session.Session, session.State, session.State, error) {}

// Gap implements [session.Observer].
func (l *ledger) Gap(*session.Session, *session.GapError) {}

// Resent implements [session.Observer].
func (l *ledger) Resent(*session.Session, string) {}

// CallStart implements [rpc.Observer].
func (l *ledger) CallStart(ctx context.Context, _ rpc.CallInfo) context.Context {
	l.started.Add(1)
	return ctx
}

// CallEnd implements [rpc.Observer].
func (l *ledger) CallEnd(context.Context, rpc.CallInfo, rpc.CallEnd) { l.ended.Add(1) }

// Stray implements [rpc.Observer].
func (l *ledger) Stray(stray rpc.Stray) {
	if stray.Kind == rpc.StrayDuplicate || stray.Kind == rpc.StrayUnknownID {
		l.strays.Add(1)
	}
}
