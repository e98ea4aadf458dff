// Engine is the skeleton of a trading engine: it quotes while that is safe, and knows what has become of each order. By default it runs
// against a simulated exchange. On the way its connection is replaced once, which nobody notices, and broken once, which cancels its orders
// and stops it until the session is ready again. It tells how it goes, and of all that as it comes. It fails if an order was sent twice, or if it does not know what has become of one.
//
//	go run ./examples/engine
//	go run ./examples/engine -for 10s -json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// options are what the flags say.
type options struct {
	run   time.Duration
	every time.Duration
	json  bool
}

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, opts, opts.told(os.Stdout, os.Stderr))
	if err == nil {
		err = opts.show(os.Stdout, r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
	if !r.Kept {
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	opts := options{}
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.DurationVar(&opts.run, "for", 4*time.Second, "how long to quote")
	flags.DurationVar(&opts.every, "every", 2*time.Second, "how often to tell how it goes")
	flags.BoolVar(&opts.json, "json", false, "print one JSON object, not a table; how it goes is told on standard error")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.run < time.Second || opts.every <= 0 || flags.NArg() > 0 {
		return opts, errors.New("-for must be a second or more, -every positive, and there are no arguments")
	}
	return opts, nil
}

// run quotes for the time, and closes what is open. It tells told how it goes.
func run(ctx context.Context, opts options, told io.Writer) (*result, error) {
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		return nil, err
	}
	defer exchange.Close()
	key := exchange.AddKey(deribittest.KeyConfig{Name: "engine"})
	s, err := session.Dial(ctx, session.Config{
		URL: exchange.URL(), Name: "engine", CancelOnDisconnect: true,
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	})
	if err != nil {
		return nil, err
	}
	defer s.Close(context.WithoutCancel(ctx))
	e := newEngine(s, opts.every, log.New(told, "", log.Ltime))
	quoting, stop := context.WithTimeout(ctx, opts.run)
	defer stop()
	var beside sync.WaitGroup
	beside.Go(func() {
		e.gate.watch(quoting, s)
		stop() // the session may have ended for good
	})
	var incident error
	beside.Go(func() { incident = incidents(quoting, exchange, s, opts.run) })
	e.quote(quoting)
	beside.Wait()
	if err := errors.Join(incident, e.flatten(ctx)); err != nil {
		return nil, err
	}
	return e.result(exchange), nil
}

// incidents replaces the connection after a third of the time, and breaks it after two.
func incidents(ctx context.Context, exchange *deribittest.Server, s *session.Session, run time.Duration) error {
	third := time.NewTicker(run / 3)
	defer third.Stop()
	for n := range 2 {
		select {
		case <-third.C:
		case <-ctx.Done():
			return nil
		}
		if n == 0 {
			if err := s.Reconnect(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("planned reconnect: %w", err)
			}
			continue
		}
		exchange.Inject(deribittest.Fault{Kind: deribittest.CutAtReply, Method: "private/buy"}) // whoever orders next is not told what becomes of it
	}
	return nil
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
	_, err := fmt.Fprintf(out, `orders      %d placed, %d refused, %d not sent
cancels     %d, %d found the order gone
unknown     %d, of which %d had been placed, and %d had not
latency     p50 %v, p99 %v
not safe    %d times, %v in all
connections %d
open at end %d
sent twice  %d
kept        %v
`, r.Placed, r.Refused, r.NotSent, r.Cancelled, r.Gone, r.Unknown, r.UnknownPlaced, r.Unknown-r.UnknownPlaced,
		time.Duration(r.P50), time.Duration(r.P99), r.Stops, time.Duration(r.NotSafe).Round(time.Millisecond),
		r.Connections, r.Open, r.Twice, r.Kept)
	return err
}
