// Orderbook keeps the order books of some instruments and prints their tops: best bid and ask, spread, sequence, age, and how
// often a book had to begin anew. By default it runs against a simulated exchange, which loses a message now and then,
// so that there is something to get over.
//
//	go run ./examples/orderbook
//	go run ./examples/orderbook -url wss://test.deribit.com/ws/api/v2 -interval 100ms -for 1m BTC-PERPETUAL ETH-PERPETUAL
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// options are what the flags say.
type options struct {
	url         string
	interval    string
	run         time.Duration
	every       time.Duration
	lose        time.Duration
	maxAge      time.Duration
	instruments []string
}

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "orderbook:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "orderbook:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	opts := options{}
	flags := flag.NewFlagSet("orderbook", flag.ContinueOnError)
	flags.StringVar(&opts.url, "url", "", "the exchange's WebSocket endpoint; empty runs a simulated exchange")
	flags.StringVar(&opts.interval, "interval", "100ms", "how often changes come: 100ms or agg2, and raw on the simulated exchange, for it needs a key")
	flags.DurationVar(&opts.run, "for", 5*time.Second, "how long to run")
	flags.DurationVar(&opts.every, "every", 500*time.Millisecond, "how often to print")
	flags.DurationVar(&opts.lose, "lose", 1500*time.Millisecond, "how often the simulated exchange loses a message; 0 for never")
	flags.DurationVar(&opts.maxAge, "max-age", 10*time.Second, "how old the last message of a book that is shown may be; 0 for any age")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.instruments = flags.Args(); len(opts.instruments) == 0 {
		opts.instruments = []string{"BTC-PERPETUAL", "ETH-PERPETUAL"}
	}
	if opts.run <= 0 || opts.every <= 0 || opts.lose < 0 || opts.maxAge < 0 {
		return opts, errors.New("-for and -every must be positive, -lose and -max-age not negative")
	}
	return opts, nil
}

// run keeps books until the time is up or ctx ends.
func run(ctx context.Context, opts options, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, opts.run)
	defer cancel()
	cfg := session.Config{URL: opts.url, Name: "orderbook"}
	var exchange *deribittest.Server
	if opts.url == "" {
		var err error
		if exchange, err = deribittest.New(deribittest.Config{}); err != nil {
			return err
		}
		defer exchange.Close()
		key := exchange.AddKey(deribittest.KeyConfig{Name: "orderbook"})
		cfg.URL = exchange.URL()
		cfg.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
	}
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))

	books := map[string]*orderbook.Book{}
	var channels []string
	for _, name := range opts.instruments {
		channel := "book." + name + "." + opts.interval
		books[channel] = &orderbook.Book{MaxAge: opts.maxAge}
		channels = append(channels, channel)
	}
	sub, err := s.Subscribe(ctx, session.SubscribeConfig{}, channels...)
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	told, over := make(notes, 64), make(chan struct{})
	beside.Go(func() {
		defer close(over)
		for channel, err := range orderbook.Follow(ctx, sub, books) {
			if err != nil && ctx.Err() == nil {
				told.add("%s is stale: %v", cmp.Or(channel, "every book"), err)
			}
		}
	})
	beside.Go(func() { told.follow(ctx, s) })
	return watch(ctx, opts, view{s, channels, books, exchange, told, over}, out)
}

// notes are what happens between two prints.
type notes chan string

func (n notes) add(format string, args ...any) {
	select {
	case n <- fmt.Sprintf(format, args...):
	default: // the printer is slow, and a book must not wait for it
	}
}

// follow notes when the session loses its connection and has another, until ctx ends.
func (n notes) follow(ctx context.Context, s *session.Session) {
	var epoch uint64
	for change := range s.States(ctx) {
		switch {
		case change.State == session.Backoff:
			n.add("the connection is lost: %v", change.Err)
		case change.State == session.Ready && epoch > 0 && change.Epoch > epoch:
			n.add("there is another connection, the books begin anew")
		}
		if change.State == session.Ready {
			epoch = change.Epoch
		}
	}
}

// view is what is printed.
type view struct {
	session  *session.Session
	channels []string
	books    map[string]*orderbook.Book
	exchange *deribittest.Server // nil against a real one
	notes    notes
	over     <-chan struct{} // closed at the end of the stream
}

// watch prints until ctx ends, or the stream does.
func watch(ctx context.Context, opts options, v view, out io.Writer) error {
	due := time.NewTicker(opts.every)
	defer due.Stop()
	lose := make(<-chan time.Time) // never
	if v.exchange != nil && opts.lose > 0 {
		ticker := time.NewTicker(opts.lose)
		defer ticker.Stop()
		lose = ticker.C
	}
	for {
		select {
		case <-due.C:
			v.print(out)
		case <-lose:
			fmt.Fprintf(out, "-- the exchange loses a message of %s\n", v.channels[0])
			v.exchange.LoseNotification(v.channels[0])
		case note := <-v.notes:
			fmt.Fprintln(out, "--", note)
		case <-v.over:
			return v.ended(ctx)
		}
	}
}

// ended says why the stream has, nil if it is because ctx has.
func (v *view) ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return errors.Join(errors.New("the stream has ended"), v.session.Err())
	}
}

func (v *view) print(out io.Writer) {
	for _, stats := range v.session.Channels() {
		b := v.books[stats.Channel].View(1)
		line := fmt.Sprintf("%-32s %-6s", stats.Channel, b.State)
		if len(b.Bids) > 0 && len(b.Asks) > 0 {
			bid, ask := b.Bids[0], b.Asks[0]
			line += fmt.Sprintf(" %10.2f x %-8g %10.2f x %-8g spread %6.2f", bid.Price, bid.Amount, ask.Price, ask.Amount, ask.Price-bid.Price)
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "), standing(stats, b))
	}
}

// standing says where a book stands, and how often it has begun anew.
func standing(stats session.ChannelStats, b orderbook.View) string {
	if b.Time.IsZero() {
		return "no message yet"
	}
	return fmt.Sprintf("sequence %d, %d ms old, %d resyncs", b.ChangeID, time.Since(b.Time).Milliseconds(), max(1, stats.Snapshots)-1)
}
