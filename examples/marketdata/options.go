package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// options are what the flags say.
type options struct {
	url         string // empty for the simulated exchange
	clientID    string
	secretFile  string
	interval    string
	run         time.Duration
	every       time.Duration
	cut         time.Duration
	json        bool
	instruments []string
}

func (o options) isSimulated() bool { return o.url == "" }

func parse(args []string) (options, error) {
	opts := options{}
	flags := flag.NewFlagSet("marketdata", flag.ContinueOnError)
	flags.StringVar(&opts.url, "url", "", "the exchange's WebSocket endpoint; empty is the test exchange with a key, and a simulated one without")
	flags.StringVar(&opts.clientID, "client-id", "", "the key's client id")
	flags.StringVar(&opts.secretFile, "secret-file", "", "file that holds the key's secret, and nothing else")
	flags.StringVar(&opts.interval, "interval", "raw", "how often changes come: raw, which needs a key on a real exchange, 100ms or agg2")
	flags.DurationVar(&opts.run, "for", 5*time.Second, "how long to run")
	flags.DurationVar(&opts.every, "every", 2*time.Second, "how often to tell how it goes")
	flags.DurationVar(&opts.cut, "cut", time.Second, "how often the simulated exchange breaks one of the two connections; 0 for never")
	flags.BoolVar(&opts.json, "json", false, "print one JSON object, not a table; how it goes is told on standard error")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.instruments = flags.Args(); len(opts.instruments) == 0 {
		opts.instruments = []string{"BTC-PERPETUAL", "ETH-PERPETUAL"}
	}
	if opts.url == "" && opts.clientID != "" {
		opts.url = session.TestURL
	}
	isCut := false
	flags.Visit(func(f *flag.Flag) { isCut = isCut || f.Name == "cut" })
	switch {
	case opts.run <= 0 || opts.every <= 0 || opts.cut < 0:
		return opts, errors.New("-for and -every must be positive, and -cut not negative")
	case (opts.clientID == "") != (opts.secretFile == ""):
		return opts, errors.New("-client-id and -secret-file belong together; a secret itself is never an argument")
	case !opts.isSimulated() && isCut:
		return opts, errors.New("-cut breaks connections of the simulated exchange alone: leave out -cut, or -url and the key")
	case !opts.isSimulated() && opts.clientID == "" && opts.interval == "raw":
		return opts, errors.New("-interval raw needs a key: give -client-id and -secret-file, or -interval 100ms")
	}
	return opts, nil
}

// config is that of each session, without a URL for the simulated exchange. It reads the secret.
func (o options) config() (session.Config, error) {
	cfg := session.Config{URL: o.url, Name: "marketdata", Limits: &session.Limits{}}
	if o.secretFile == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(o.secretFile)
	if err != nil {
		return cfg, err
	}
	defer clear(text)
	secret := session.NewSecret(bytes.TrimSpace(text))
	if secret.IsZero() {
		return cfg, fmt.Errorf("secret file %s: is empty", o.secretFile)
	}
	cfg.Credentials = session.Credentials{ClientID: o.clientID, Secret: secret}
	return cfg, nil
}
