package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// handovers replaces the connection of a session again and again, while traders order, read and cancel over it, and its streams are
// read. Cancel-on-disconnect is on. Nobody may notice anything.
type handovers struct {
	Count   int
	Traders int
	// Fault, if set, says which entries of a stream its consumer does not see.
	Fault func(n session.Notification, err error) (drop bool)
}

// handed are the channels of the session, all of one subscription: each subscribe costs credits.
var handed = []string{
	"book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.raw", "book.BTC-PERPETUAL.100ms",
	"trades.BTC-PERPETUAL.raw", "trades.ETH-PERPETUAL.raw", "user.orders.any.any.raw",
	"ticker.BTC-PERPETUAL.raw", "quote.BTC-PERPETUAL",
}

func (m handovers) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	f := &floor{handovers: m, exchange: x, events: newEvents(m.Traders, 1000+100*m.Count)}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	if err := f.season(ctx, max(1, min(m.Count/10, 10))); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	before, err := e.measureSteady(ctx)
	if err != nil {
		return nil, err
	}
	f.forget()
	began := time.Now()
	if err := f.season(ctx, m.Count); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := e.measureAfter(ctx, before)
	if err != nil {
		return nil, err
	}
	r = newResult("handovers", "%d planned reconnects of one session with cancel-on-disconnect, under %d traders and %d channels; a calm of %v before each",
		m.Count, m.Traders, len(handed), calm)
	r.tell("time of a handover and the calm", took.Seconds()/float64(m.Count), "s")
	if err := f.judge(r); err != nil {
		return nil, err
	}
	r.nothingLeft(before, after)
	return r, nil
}

// floor is the session, its traders and its streams.
type floor struct {
	handovers
	exchange         *exchange
	session, witness *session.Session // the witness is another session of the account
	traders          []*trader
	events           *events
	handing          atomic.Int64 // see trader

	reconnect struct {
		done, failed int
		failure      string
	}
	cancelled, left int // orders that were not to be, and orders that were to be no longer
	seen            watched
	tapes           map[string]*tape
	breaks          uint64
	unheld          int // events that are missing
	repeated        int
}

func (f *floor) open(ctx context.Context) (err error) {
	cfg := f.exchange.config("handed over", f.exchange.engine())
	cfg.CancelOnDisconnect = true
	if f.session, err = session.Dial(ctx, cfg); err != nil {
		return err
	}
	// The witness has a connection that nothing happens to.
	apart := f.exchange.config("witness", f.exchange.engine())
	apart.Dialer = nil
	if f.witness, err = session.Dial(ctx, apart); err != nil {
		return err
	}
	instruments, err := listInstruments(ctx, f.witness)
	if err != nil {
		return err
	}
	for i := range f.Traders {
		f.traders = append(f.traders, &trader{
			caller: caller{
				id: i, session: f.session, instruments: instruments, timeout: 10 * time.Second, newOrder: newResting,
				orders: make([]outcome, 0, len(f.events.opened[i])),
			},
			handing: &f.handing, during: newLatencies(), beside: newLatencies(),
		})
	}
	return nil
}

func (f *floor) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, one := range []*session.Session{f.session, f.witness} {
		if one != nil {
			err = errors.Join(err, one.Close(ctx))
		}
	}
	return err
}

// forget begins to count handovers and to measure anew. What went wrong before did go wrong.
func (f *floor) forget() {
	f.reconnect.done = 0
	for _, t := range f.traders {
		t.during.Reset()
		t.beside.Reset()
	}
}

// season subscribes, trades over n handovers, looks at what is there then, and takes all of it away.
func (f *floor) season(ctx context.Context, n int) error {
	f.tapes = map[string]*tape{}
	takes, books := f.takes()
	sub, err := f.session.Subscribe(ctx, session.SubscribeConfig{Buffer: 1 << 14}, handed...)
	if err != nil {
		return err
	}
	all := &consumer{fault: f.Fault, take: func(n session.Notification) error { return takes[n.Channel](n) }}
	all.consume(ctx, sub)
	from := make([]int, len(f.traders))
	for i, t := range f.traders {
		from[i] = len(t.orders)
	}
	if err := f.trade(ctx, n); err != nil {
		return err
	}
	for _, channel := range f.session.Channels() {
		f.breaks += channel.Breaks
	}
	if err := f.hold(ctx); err != nil {
		return err
	}
	// Its answer comes after all that the exchange published before.
	if err := f.session.Call(ctx, "public/test", nil, nil); err != nil {
		return err
	}
	if err := all.close(ctx); err != nil {
		return err
	}
	for _, b := range books {
		all.silent += b.silent
	}
	f.seen.add(&all.watched, 0)
	for i, t := range f.traders {
		missing, repeated := f.events.hold(t, from[i])
		f.unheld, f.repeated = f.unheld+missing, f.repeated+repeated
	}
	return nil
}

// takes are how the messages of each channel are taken; books are those of them that follow chains.
func (f *floor) takes() (takes map[string]func(session.Notification) error, books []*consumer) {
	takes = map[string]func(session.Notification) error{}
	for _, name := range handed {
		switch kind, _, _ := strings.Cut(name, "."); kind {
		case "book":
			book := &consumer{seamless: true}
			books = append(books, book)
			takes[name] = book.follow
		case "trades":
			f.tapes[name] = &tape{}
			takes[name] = f.tapes[name].take
		case "user":
			takes[name] = f.events.take
		default:
			takes[name] = func(session.Notification) error { return nil }
		}
	}
	return takes, books
}

// calm is how long nothing is replaced before each handover. The credits of a handover's two subscribes take as long in any case.
const calm = 300 * time.Millisecond

// trade has the traders trade while the connection is replaced n times.
func (f *floor) trade(ctx context.Context, n int) error {
	end := make(chan struct{})
	errs := make([]error, len(f.traders)+1)
	var trading sync.WaitGroup
	for i, t := range f.traders {
		trading.Go(func() { errs[i] = t.trade(ctx, end) })
	}
	errs[len(f.traders)] = f.replace(ctx, n)
	close(end)
	trading.Wait()
	return errors.Join(errs...)
}

func (f *floor) replace(ctx context.Context, n int) error {
	for i := range n {
		if err := wait(ctx, calm); err != nil {
			return err
		}
		before := f.session.Stats().Epoch
		f.handing.Add(1)
		err := f.session.Reconnect(ctx)
		f.handing.Add(1)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			f.reconnect.failed++
			f.reconnect.failure = err.Error()
			if err := f.session.WaitReady(ctx); err != nil {
				return err
			}
		case f.session.Stats().Epoch == before+1:
			f.reconnect.done++
		}
		f.exchange.progress("handovers", i+1, n)
	}
	return nil
}

// hold has the witness say which orders are open, and cancels them.
func (f *floor) hold(ctx context.Context) error {
	type labelled struct {
		Label string `json:"label"`
	}
	found, err := rpc.Call[[]labelled](ctx, f.witness, "private/get_open_orders", nil)
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, o := range found {
		open[o.Label] = true
	}
	for _, t := range f.traders {
		for _, number := range t.open {
			if !open[t.label(number)] {
				f.cancelled++
			}
			delete(open, t.label(number))
		}
		f.cancelled += t.gone
		for t.gone = 0; len(t.open) > 0; {
			if err := t.cancel(ctx); err != nil {
				return err
			}
		}
		t.gone = 0 // counted already
	}
	f.left += len(open)
	return nil
}

func (f *floor) judge(r *result) error {
	var sum tally
	during, beside := newLatencies(), newLatencies()
	for _, t := range f.traders {
		executed, err := t.executed(f.exchange)
		if err != nil {
			return err
		}
		for i, times := range executed {
			t.tally.hold(t.orders[i], times)
		}
		sum.add(t.tally)
		during.Merge(t.during.Histogram)
		beside.Merge(t.beside.Histogram)
	}
	failed := figure{
		What: "failed calls", Value: float64(sum.refused + sum.notSent + sum.unknown + sum.missing), Detail: sum.refusal,
	}
	r.equal(float64(f.Count), figure{What: "handovers", Value: float64(f.reconnect.done), Detail: f.reconnect.failure})
	r.tell("calls", float64(sum.outcomes()), "")
	r.equal(0, failed)
	r.equal(0, figure{What: "mismatched", Value: float64(sum.mismatched)})
	r.tell("orders", float64(sum.orders), "")
	r.equal(0, figure{What: "orders executed twice", Value: float64(sum.resent)})
	r.equal(0, figure{What: "executed, though not sent", Value: float64(sum.denied)})
	r.equal(0, figure{What: "orders cancelled by the exchange", Value: float64(f.cancelled)})
	r.equal(0, figure{What: "orders left, though cancelled", Value: float64(f.left)})
	f.judgeStreams(r)
	for _, p := range points {
		r.tell("calls during handovers "+p.name, micros(during.at(p.at)), "us")
		r.tell("calls beside them "+p.name, micros(beside.at(p.at)), "us")
	}
	// A run in which nothing happened shows nothing.
	r.atLeast(float64(f.Count), figure{What: "calls that met with a handover", Value: float64(during.TotalCount())})
	return nil
}

func (f *floor) judgeStreams(r *result) {
	var trades, skipped, again int64
	for _, t := range f.tapes {
		trades, skipped, again = trades+t.trades, skipped+t.skipped, again+t.again
	}
	r.tell("notifications", float64(f.seen.notifications), "")
	r.equal(0, figure{What: "gap markers", Value: float64(f.seen.gaps)})
	r.equal(0, figure{What: "other errors", Value: float64(f.seen.failed), Detail: f.seen.failure})
	r.equal(0, figure{What: "breaks of a book's chain, as the consumer sees it", Value: float64(f.seen.silent)})
	r.equal(0, figure{What: "breaks of a book's chain, as the session counts", Value: float64(f.breaks)})
	r.equal(0, figure{What: "trades skipped", Value: float64(skipped)})
	r.equal(0, figure{What: "trades told twice", Value: float64(again)})
	r.equal(0, figure{What: "events of orders missing", Value: float64(f.unheld)})
	r.equal(0, figure{What: "events of orders told twice", Value: float64(f.repeated)})
	r.atLeast(float64(f.Count), figure{What: "notifications that matter", Value: float64(f.seen.notifications)})
	r.atLeast(1, figure{What: "trades that matter", Value: float64(trades)})
}
