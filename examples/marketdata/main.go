// Marketdata is a consumer that runs for long: books, trades and tickers over a redundant pair of connections. Every channel comes over
// both, and the stream is one: losing either connection loses nothing. By default it runs against a simulated exchange, which breaks one
// of the two every second, so that there is something to get over. While it runs it tells how it goes, and of lost connections and gaps
// as they come. At the end it prints what came of each channel, and it fails if anything was missing, or if a book was not the exchange's.
//
//	go run ./examples/marketdata
//	go run ./examples/marketdata -json
//
// With a key it runs against the real exchange, by default the test exchange, and breaks nothing. The secret is read from a file that holds
// nothing else. Without a key there are no raw channels.
//
//	go run ./examples/marketdata -client-id ID -secret-file FILE -for 1h BTC-PERPETUAL
//	go run ./examples/marketdata -url wss://test.deribit.com/ws/api/v2 -interval 100ms -for 1h BTC-PERPETUAL
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "marketdata:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, opts, newProgress(opts.told(os.Stdout, os.Stderr)))
	if err == nil {
		err = opts.show(os.Stdout, r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "marketdata:", err)
		os.Exit(1)
	}
	if !r.Whole {
		os.Exit(1)
	}
}

// run consumes until the time is up or ctx ends.
func run(ctx context.Context, opts options, told *progress) (*result, error) {
	ctx, cancel := context.WithTimeout(ctx, opts.run)
	defer cancel()
	cfg, err := opts.config()
	if err != nil {
		return nil, err
	}
	var exchange *deribittest.Server
	if opts.isSimulated() {
		if exchange, err = deribittest.New(deribittest.Config{}); err != nil {
			return nil, err
		}
		defer exchange.Close()
		key := exchange.AddKey(deribittest.KeyConfig{Name: cfg.Name})
		cfg.URL = exchange.URL()
		cfg.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
	}
	pair, err := session.DialGroup(ctx, session.GroupConfig{Config: cfg, Copies: 2})
	if err != nil {
		return nil, err
	}
	defer pair.Close(context.WithoutCancel(ctx))
	var channels []string
	for _, name := range opts.instruments {
		for _, kind := range []string{"book", "trades", "ticker"} {
			channels = append(channels, kind+"."+name+"."+opts.interval)
		}
	}
	sub, err := pair.Subscribe(ctx, session.SubscribeConfig{}, channels...)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var beside sync.WaitGroup
	if exchange != nil && opts.cut > 0 {
		beside.Go(func() { breakEach(ctx, exchange, pair, opts.cut) })
	}
	beside.Go(func() { told.follow(ctx, pair, opts.every) })
	answers := make(chan answer)
	var refusal error
	beside.Go(func() {
		if refusal = ask(ctx, pair, opts, answers); refusal != nil {
			cancel()
		}
	})
	seen := newTally(answers)
	err = consume(ctx, sub, channels, seen, told)
	took := time.Since(began)
	cancel()
	beside.Wait()
	if err := errors.Join(err, refusal); err != nil {
		return nil, err
	}
	cuts := uint64(0)
	if exchange != nil {
		cuts = exchange.Stats().Faults[deribittest.Cut]
	}
	return seen.result(pair, cuts, took), nil
}

// consume takes in the stream until ctx ends. It is an error if the stream ends before.
func consume(ctx context.Context, sub *session.Subscription, channels []string, seen *tally, told *progress) error {
	for n, err := range sub.Notifications(ctx) {
		gap, isGap := errors.AsType[*session.GapError](err)
		refusal, isRefusal := errors.AsType[*session.SubscribeError](err)
		switch {
		case err == nil:
			seen.message(n)
			told.message()
			continue
		case isGap:
			seen.gap(gap)
			told.gap(gap)
			err = beginAnew(sub, gap, channels)
		case isRefusal: // its channels have ended; the others go on
			seen.refused(refusal)
			told.refused(refusal)
			channels = slices.DeleteFunc(channels, func(name string) bool { return slices.Contains(refusal.Refused, name) })
			continue
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the stream has ended: %w", err)
		}
	}
	if ctx.Err() == nil {
		return fmt.Errorf("the stream has ended: %w", sub.Err())
	}
	return nil
}

// again is for how long both connections are there before one is broken. A pair is one again a quarter of a second after a connection is
// back: by then it is known that nothing is under way to it.
const again = 500 * time.Millisecond

// breakEach breaks the exchange's connections in turn until ctx ends: one at a time, so never before both are there again.
func breakEach(ctx context.Context, exchange *deribittest.Server, pair *session.Group, every time.Duration) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	isDown := func(s *session.Session) bool { return !s.Ready() }
	broken := time.Now()
	back := broken
	// The first two are numbered 1 and 2. What takes the place of one that is broken has the next number.
	for number := uint64(1); ; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		if exchange.Stats().Connections <= number || slices.ContainsFunc(pair.Sessions(), isDown) {
			back = time.Now()
		}
		if time.Since(broken) >= every && time.Since(back) >= again {
			exchange.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: number})
			number++
			broken, back = time.Now(), time.Now()
		}
	}
}

// result is what is printed.
type result struct {
	Seconds  float64   `json:"seconds"`
	Cuts     uint64    `json:"cuts"`
	Channels []channel `json:"channels"`
	Whole    bool      `json:"whole"` // nothing was missing, nothing came twice, and no book was wrong
}

// channel is what came of one.
type channel struct {
	Name     string   `json:"name"`
	Messages int      `json:"messages"`
	Switches uint64   `json:"switches"` // how often the other connection was the first
	Gaps     int      `json:"gaps"`
	Broken   int      `json:"broken"`   // messages that do not follow the one before
	Compared int      `json:"compared"` // how often a book was held against the exchange's at the same change id
	Wrong    int      `json:"wrong"`    // how often it was another
	Sessions []string `json:"sessions"`
}

// told is where progress goes: beside the table, and away from JSON.
func (o options) told(out, errs io.Writer) io.Writer {
	if o.json {
		return errs
	}
	return out
}

func (o options) show(out io.Writer, r *result) error {
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "%.1f s, %d connections broken\n", r.Seconds, r.Cuts)
	for _, c := range r.Channels {
		fmt.Fprintf(out, "%-32s %7d messages %8.1f/s %4d switches %3d gaps %3d broken%s\n",
			c.Name, c.Messages, float64(c.Messages)/r.Seconds, c.Switches, c.Gaps, c.Broken, c.book())
	}
	verdict := "nothing was missing, nothing came twice, and no book was wrong"
	if !r.Whole {
		verdict = "SOMETHING WAS MISSING, came twice, or was wrong"
	}
	_, err := fmt.Fprintln(out, verdict)
	return err
}

func (c channel) book() string {
	if !strings.HasPrefix(c.Name, "book.") {
		return ""
	}
	return fmt.Sprintf(", %d of %d comparisons with the exchange's book agree", c.Compared-c.Wrong, c.Compared)
}
