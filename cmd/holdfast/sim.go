package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// simulated is what sim prints with -json, as one line.
type simulated struct {
	WS         string `json:"ws"`
	REST       string `json:"rest"`
	KeyID      int64  `json:"key_id"`
	ClientID   string `json:"client_id"`
	SecretFile string `json:"secret_file"`
	// The second key, if there is one.
	AdminClientID   string `json:"admin_client_id,omitempty"`
	AdminSecretFile string `json:"admin_secret_file,omitempty"`
}

// sim serves a simulated exchange until ctx ends.
func sim(ctx context.Context, std streams, args []string) (err error) {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	asJSON := flags.Bool("json", false, "print the addresses and the key as one line of JSON")
	secretFile := flags.String("secret-file", "", "file to write the key's secret to; empty makes one, and removes it at the end")
	adminFile := flags.String("admin-secret-file", "", "file to write the secret of a second key to; empty makes no second key")
	factor := flags.Bool("second-factor", false, "the account asks for a second factor where the exchange does; its codes are shown on standard error")
	var cfg deribittest.Config
	flags.TextVar(&cfg.Reset, "behaviour", deribittest.ResetProfile{},
		"what a reset does to what the key had authenticated: tokens-kept, tokens-revoked, sockets-closed, or a profile as probe prints it")
	flags.DurationVar(&cfg.Tick, "tick", 0, "how often the market moves; 0 is the default of 20 ms, negative stands still")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of the keys, the tokens and the market: the same seed, the same secrets")
	chaosFlag(flags, &cfg, std.err)
	if err := parse(flags, std, args); err != nil {
		return err
	}
	listen := net.ListenConfig{}
	if cfg.Listener, err = listen.Listen(ctx, "tcp", *addr); err != nil {
		return err
	}
	exchange, err := deribittest.New(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := exchange.Close(); err == nil {
			err = closeErr
		}
	}()
	key := exchange.AddKey(deribittest.KeyConfig{Name: "sim", SecondFactor: *factor})
	path, remove, err := keepSecret(*secretFile, key.Secret)
	if err != nil {
		return err
	}
	defer remove()
	told := simulated{WS: exchange.URL(), REST: exchange.RESTURL(), KeyID: key.ID, ClientID: key.ClientID, SecretFile: path}
	if err := told.second(exchange, *adminFile); err != nil {
		return err
	}
	tell := told.account
	if *asJSON {
		tell = told.line
	}
	if err := tell(std.out); err != nil {
		return err
	}
	if *factor {
		return tellCodes(ctx, std.err, func() string { return exchange.SecondFactorCode(key.ID) })
	}
	<-ctx.Done()
	return nil
}

// chaosFlag adds the flag that has faults happen, each of which is told.
func chaosFlag(flags *flag.FlagSet, cfg *deribittest.Config, told io.Writer) {
	const usage = "seed of faults that happen to connections about once a second, each told on standard error; the same seed, the same faults"
	flags.Func("chaos", usage, func(seed string) error {
		n, err := strconv.ParseUint(seed, 10, 64)
		cfg.Chaos = &deribittest.Chaos{Seed: n}
		cfg.OnFault = func(f deribittest.Fault) {
			_, _ = fmt.Fprintf(told, "fault: %v\n", f) // if nobody can read it, the faults go on
		}
		return err
	})
}

// second adds a second key, if there is a file for its secret.
func (s *simulated) second(exchange *deribittest.Server, path string) error {
	if path == "" {
		return nil
	}
	admin := exchange.AddKey(deribittest.KeyConfig{Name: "admin"})
	s.AdminClientID, s.AdminSecretFile = admin.ClientID, path
	return writeSecretFile(path, []byte(admin.Secret))
}

// tellCodes stands for the device of the account's owner, which shows another code every 30 s.
func tellCodes(ctx context.Context, w io.Writer, code func() string) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		if _, err := fmt.Fprintf(w, "second factor: %s\n", code()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s simulated) line(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

func (s simulated) account(w io.Writer) error {
	_, err := fmt.Fprintf(w, "simulated exchange; interrupt to stop\n  ws           %s\n  rest         %s\n  key id       %d\n"+
		"  client id    %s\n  secret file  %s\n", s.WS, s.REST, s.KeyID, s.ClientID, s.SecretFile)
	if err == nil && s.AdminClientID != "" {
		_, err = fmt.Fprintf(w, "second key\n  client id    %s\n  secret file  %s\n", s.AdminClientID, s.AdminSecretFile)
	}
	return err
}

// keepSecret writes the secret, and nothing else, into a file that only its owner can read.
func keepSecret(path, secret string) (kept string, remove func(), err error) {
	if path != "" {
		return path, func() {}, writeSecretFile(path, []byte(secret))
	}
	dir, err := os.MkdirTemp("", "holdfast-sim-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "secret")
	remove = func() { _ = os.RemoveAll(dir) } // a leftover is the secret of an exchange that is gone
	if err := writeSecretFile(path, []byte(secret)); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}
