// Rotation shows the whole promise on one run: several sessions, hundreds of channels and many callers against a
// simulated exchange, while the API key that they all use is reset under them, several times. It prints what happened in
// each phase, and exits with 1 if any promise was broken.
//
//	go run ./examples/rotation
//	go run ./examples/rotation -behaviour sockets-closed -json
//	go run ./examples/rotation -report rotation.html
//	go run ./examples/rotation -fault lost-reply -json
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
	"syscall"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// options are what the flags say.
type options struct {
	behaviour deribittest.ResetProfile
	transport string
	sessions  int
	channels  int
	callers   int
	rotations int
	phase     time.Duration
	pace      time.Duration
	fault     string
	takeBack  bool
	report    string
	json      bool
	verbose   bool
}

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "rotation:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var account io.Writer = os.Stdout
	if opts.json {
		account = io.Discard
	}
	result, err := run(ctx, opts, account)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rotation:", err)
		os.Exit(1)
	}
	if opts.json {
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, "rotation:", err)
			os.Exit(1)
		}
	}
	if !result.Kept {
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	opts := options{}
	flags := flag.NewFlagSet("rotation", flag.ContinueOnError)
	flags.TextVar(&opts.behaviour, "behaviour", deribittest.ResetProfile{},
		"what a reset does to what the key had authenticated: tokens-kept, tokens-revoked, sockets-closed, or any of the twelve profiles of deribittest.ResetProfile")
	flags.StringVar(&opts.transport, "transport", "nhooyr", "what carries the sessions: nhooyr, coder or lean")
	flags.IntVar(&opts.sessions, "sessions", 8, "sessions that share the key, at most 14")
	flags.IntVar(&opts.channels, "channels", 240, "channels that the sessions subscribe to in all, those of the account among them")
	flags.IntVar(&opts.callers, "callers", 64, "goroutines that call, in all")
	flags.IntVar(&opts.rotations, "rotations", 3, "how often the key is turned")
	flags.DurationVar(&opts.phase, "phase", 1500*time.Millisecond, "how long to run before, between and after rotations")
	flags.DurationVar(&opts.pace, "pace", 20*time.Millisecond, "how often each caller calls")
	flags.StringVar(&opts.fault, "fault", "", "what goes wrong in the second rotation: "+faultNames())
	flags.BoolVar(&opts.takeBack, "take-back", false, "let the rotator reset the key again after somebody else has")
	flags.StringVar(&opts.report, "report", "", "write the rotations, drawn over time, to this HTML file")
	flags.BoolVar(&opts.json, "json", false, "print one JSON object instead of the account")
	flags.BoolVar(&opts.verbose, "v", false, "print the log to standard error")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case dialers[opts.transport] == nil:
		return opts, fmt.Errorf("-transport: %q is none of nhooyr, coder and lean", opts.transport)
	case opts.sessions < 1 || opts.sessions > 14:
		return opts, fmt.Errorf("-sessions: %d is not between 1 and 14, which is what one key can hold beside a rotation", opts.sessions)
	case opts.pace <= 0 || opts.phase < 0:
		return opts, errors.New("-pace must be positive, and -phase not negative")
	case opts.channels < opts.sessions*(len(accountChannels)+1):
		return opts, fmt.Errorf("-channels: %d is too few: each session has %d of its account and at least one of the market",
			opts.channels, len(accountChannels))
	case opts.callers < 1 || opts.rotations < 1:
		return opts, errors.New("-callers and -rotations must be at least 1")
	case opts.fault != "" && faults[opts.fault].play == nil:
		return opts, fmt.Errorf("-fault: %q is none of %s", opts.fault, faultNames())
	case opts.fault != "" && opts.rotations <= faulty:
		return opts, errors.New("-fault: the second rotation meets it: -rotations must be at least 2")
	case opts.takeBack && opts.fault != foreignReset:
		return opts, errors.New("-take-back: goes with -fault " + foreignReset)
	}
	return opts, nil
}
