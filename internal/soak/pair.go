package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// pair cuts one of the two connections of a redundant pair every second, either of them. Its streams may not show it: they are held
// against the exchange's own numbers, and against a witness, a session that nothing happens to.
type pair struct {
	For  time.Duration
	Rate int // notifications a second, over all connections; 0 is 3000
	// Both, if set, has both connections cut at once, which must be told.
	Both bool
	// Fault, if set, says what a consumer sees in place of a notification.
	Fault func(n session.Notification) []session.Notification
}

// cutEvery is how long the two connections live from one cut to the next, if both are back in that time.
const cutEvery = time.Second

// again is for how long both are there before the next cut, where they were slow to come back: a pair is one again when it is known of the
// connection that is back that nothing is under way to it, a quarter of a second after it was asked.
const again = cutEvery / 2

func (m pair) run(ctx context.Context, e env) (r *result, err error) {
	x, err := e.open(ctx, Setup{Tick: -1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	d := &duo{pair: m, exchange: x}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	if _, err := d.season(ctx, min(m.For, 3*cutEvery)); err != nil { // whatever has to warm up does so here
		return nil, err
	}
	before, err := e.measureSteady(ctx)
	if err != nil {
		return nil, err
	}
	found, err := d.season(ctx, m.For)
	if err != nil {
		return nil, err
	}
	after, err := e.measureAfter(ctx, before)
	if err != nil {
		return nil, err
	}
	r = newResult("pair", "a group of one redundant pair for %v, one connection cut every %v, and the books, trades and tickers of %d instruments",
		m.For, cutEvery, len(d.instruments))
	d.judge(r, found)
	r.nothingLeft(before, after)
	return r, nil
}

// duo is a redundant pair and its witness.
type duo struct {
	pair
	exchange    *exchange
	group       *session.Group
	witness     *session.Session
	numbers     [2]uint64 // of the pair's connections
	instruments []string
}

func (d *duo) open(ctx context.Context) (err error) {
	var before, after uint64
	if err := d.exchange.command("Connections", true, &before); err != nil {
		return err
	}
	cfg := d.exchange.config("pair", d.exchange.engine())
	if d.group, err = session.DialGroup(ctx, session.GroupConfig{Config: cfg, Sessions: 2, Copies: 2}); err != nil {
		return err
	}
	if err := d.exchange.command("Connections", true, &after); err != nil {
		return err
	}
	if after != before+2 {
		return fmt.Errorf("soak: a pair has opened %d connections", after-before)
	}
	d.numbers = [2]uint64{before + 1, before + 2}
	apart := d.exchange.config("witness", d.exchange.engine())
	apart.Dialer = nil // nothing that is planted happens to it
	if d.witness, err = session.Dial(ctx, apart); err != nil {
		return err
	}
	d.instruments, err = listInstruments(ctx, d.witness)
	return err
}

func (d *duo) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if d.group != nil {
		err = d.group.Close(ctx)
	}
	if d.witness != nil {
		err = errors.Join(err, d.witness.Close(ctx))
	}
	return err
}

// shown is what the pair's streams held, and what was done to its connections.
type shown struct {
	cuts, epochs uint64
	back         time.Duration // until both were ready again, of all cuts
	kinds        []shownKind
	witness      watched
	snapshots    int // of books
	silent       int // breaks of their chains
	tape         tape
	breaks       uint64 // of books, as the group counts
}

// shownKind is what the streams of one kind held.
type shownKind struct {
	name string
	watched
	compared
}

// season subscribes, cuts connections while the market moves, and unsubscribes. The market stands still at both ends, so that pair and
// witness are told the same.
func (d *duo) season(ctx context.Context, length time.Duration) (found shown, err error) {
	w, err := d.watch(ctx)
	if err != nil {
		return found, err
	}
	rate := d.Rate
	if rate == 0 {
		rate = 3000
	}
	if err := d.exchange.command("Pump", rate, new(bool)); err != nil {
		return found, err
	}
	before := d.epochs()
	if err := d.cutFor(ctx, length, &found); err != nil {
		return found, err
	}
	found.epochs = d.epochs() - before
	if err := d.exchange.command("Pump", 0, new(bool)); err != nil {
		return found, err
	}
	if err := d.settle(ctx, w); err != nil {
		return found, err
	}
	for _, channel := range d.group.Channels() {
		found.breaks += channel.Breaks
	}
	if err := w.close(ctx); err != nil {
		return found, err
	}
	w.tell(&found)
	return found, nil
}

func (d *duo) epochs() (n uint64) {
	for _, s := range d.group.Sessions() {
		n += s.Stats().Epoch
	}
	return n
}

// cutFor cuts connections for as long. Where a session was slow to come back, what was missed meanwhile is not made up for.
func (d *duo) cutFor(ctx context.Context, length time.Duration, found *shown) error {
	begun := time.Now()
	for at := cutEvery; at <= length; at = max(at+cutEvery, time.Since(begun)+again) {
		if err := wait(ctx, at-time.Since(begun)); err != nil {
			return err
		}
		if err := d.cut(ctx, found); err != nil {
			return err
		}
		d.exchange.progress("seconds", int(at/time.Second), int(length/time.Second))
	}
	return nil
}

// cut cuts a connection, or both, and waits until both sessions have one again.
func (d *duo) cut(ctx context.Context, found *shown) error {
	one := rand.IntN(2)
	victims := []int{one}
	if d.Both {
		victims = []int{0, 1}
	}
	before, begun := d.epochs(), time.Now()
	numbers := make([]uint64, 0, len(victims))
	for _, at := range victims {
		numbers = append(numbers, d.numbers[at])
	}
	var fired int
	if err := d.exchange.command("Cut", numbers, &fired); err != nil {
		return err
	}
	if fired != len(victims) {
		return fmt.Errorf("soak: of the connections %v some have ended before they were cut", numbers)
	}
	found.cuts += uint64(fired) //nolint:gosec // of two
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for d.epochs() < before+uint64(len(victims)) || !d.areReady() {
		select {
		case <-late.C:
			return errors.New("soak: a session was not ready a minute after its connection was cut")
		default:
		}
		if err := wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	found.back += time.Since(begun)
	var connections uint64
	if err := d.exchange.command("Connections", true, &connections); err != nil {
		return err
	}
	for i, at := range victims {
		d.numbers[at] = connections - uint64(i)
	}
	return nil
}

func (d *duo) areReady() bool {
	for _, s := range d.group.Sessions() {
		if !s.Ready() {
			return false
		}
	}
	return true
}

func (d *duo) judge(r *result, found shown) {
	channels := float64(len(d.instruments))
	r.atLeast(d.For.Seconds()/2, figure{What: "cuts", Value: float64(found.cuts)})
	r.equal(float64(found.cuts), figure{What: "reconnects", Value: float64(found.epochs)})
	r.tell("time until both were ready again, mean", found.back.Seconds()/float64(max(found.cuts, 1)), "s")
	for _, kind := range found.kinds {
		r.tell(kind.name, float64(kind.notifications), "")
		r.equal(0, figure{What: kind.name + ": lost", Value: float64(kind.lost), Detail: kind.example})
		r.equal(0, figure{What: kind.name + ": duplicated", Value: float64(kind.again)})
		r.equal(0, figure{What: kind.name + ": gap markers", Value: float64(kind.gaps)})
		r.equal(0, figure{What: kind.name + ": other errors", Value: float64(kind.failed), Detail: kind.failure})
		most := 0.0
		if kind.name == "ticker" { // how things stand, told to who begins
			most = float64(found.cuts+1) * channels
		}
		r.atMost(most, figure{What: kind.name + ": told to nobody else", Value: float64(kind.own)})
	}
	r.equal(channels, figure{What: "snapshots of books", Value: float64(found.snapshots)})
	r.equal(0, figure{What: "breaks of a book's chain, as the consumer sees it", Value: float64(found.silent)})
	r.equal(0, figure{What: "breaks of a book's chain, as the group counts", Value: float64(found.breaks)})
	r.equal(0, figure{What: "trades skipped", Value: float64(found.tape.skipped)})
	r.equal(0, figure{What: "trades told twice", Value: float64(found.tape.again)})
	r.equal(0, figure{What: "gaps of the witness", Value: float64(found.witness.gaps + found.witness.failed), Detail: found.witness.failure})
	// A run in which nothing came shows nothing.
	for _, kind := range found.kinds {
		r.atLeast(2*channels, figure{What: kind.name + " that matter", Value: float64(kind.notifications)})
	}
}
