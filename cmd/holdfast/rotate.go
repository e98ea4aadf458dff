package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// rotation is what the flags of rotate say.
type rotation struct {
	url             string
	clientID        string
	secretFile      string
	credentialsFile string
	journal         string
	strategy        rotate.Strategy
	overlap         time.Duration
	dryRun          bool
	keyID           int64
	adminID         string
	adminSecretFile string
	tokensSurvive   bool
	acceptLockout   bool
	plaintext       bool
	verbose         bool

	netDial func(ctx context.Context, network, addr string) (net.Conn, error) // nil outside tests

	file     keyFile      // as the first three say
	log      *slog.Logger // nil without -v
	lifeboat *lifeboat
}

// rotateKey rotates a key. The file's new content is the new secret, with the new client id if that has changed.
func rotateKey(ctx context.Context, std streams, args []string) error {
	return (&rotation{}).command(ctx, std, args)
}

func (r *rotation) command(ctx context.Context, std streams, args []string) error {
	if err := parse(r.flags(), std, args); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	std.err = &oneAtATime{w: std.err}
	if r.verbose {
		r.log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	report, err := r.run(ctx, std)
	if report.ID != "" {
		_, _ = fmt.Fprintln(std.out, report)
	}
	if report.NewClientID != "" {
		_, _ = fmt.Fprintf(std.out, "The client id is now %s.\n", report.NewClientID)
	}
	r.advise(std.err, report, err)
	return err
}

func (r *rotation) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("rotate", flag.ContinueOnError)
	flags.StringVar(&r.url, "url", session.TestURL, "WebSocket endpoint of the exchange")
	flags.StringVar(&r.clientID, "client-id", "", "client id of the key")
	flags.StringVar(&r.secretFile, "secret-file", "", "file that holds the key's secret, mode 0600; it is replaced")
	flags.StringVar(&r.credentialsFile, "credentials-file", "",
		"in the place of -client-id and -secret-file, which else are needed: `file` that holds the client id on its first line and the "+
			"secret, or the private key in PEM, below it, mode 0600; it is replaced, so that a reader has both of one key")
	flags.StringVar(&r.journal, "journal", "",
		"file that keeps the rotation's state for a crash, secrets too, mode 0600; empty is the name of the key's file and .journal")
	flags.Func("strategy", "`reset|replace`: reset, the default, gives the key a new secret; replace creates a second key, with another client id, "+
		"and removes the first. It locks nobody out, and is how an asymmetric key is turned. It needs -credentials-file, account:read_write, "+
		"a free place among the account's eight keys, a key without IP whitelist, and somebody who types second factors", r.setStrategy)
	flags.DurationVar(&r.overlap, "overlap", time.Minute,
		"with -strategy replace, how long the old key works on when the file has the new one: time for programs to read it again")
	flags.BoolVar(&r.dryRun, "dry-run", false, "check all that can be checked, and change no key and no file but the journal")
	flags.Int64Var(&r.keyID, "key-id", 0, "the key's number; 0 looks it up, which may ask for a second factor of its own")
	flags.StringVar(&r.adminID, "admin-client-id", "", "client id of a second key that sends the reset, or creates and removes keys; it needs account:read_write, and still works when this key's secret is lost")
	flags.StringVar(&r.adminSecretFile, "admin-secret-file", "", "file that holds the second key's secret")
	flags.BoolVar(&r.tokensSurvive, "tokens-survive", false, "tokens outlive a reset, as holdfast probe has found: one of them can reset the key again")
	flags.BoolVar(&r.acceptLockout, "accept-lockout", false, "rotate although a lost answer could lock the key out: no second key, and tokens may not survive")
	flags.BoolVar(&r.plaintext, "allow-plaintext", false, "allow a ws URL to another machine")
	flags.BoolVar(&r.verbose, "v", false, "log to standard error")
	return flags
}

func (r *rotation) setStrategy(word string) error {
	switch word {
	case "reset":
		r.strategy = rotate.ResetInPlace
	case "replace":
		r.strategy = rotate.Replace
	default:
		return errors.New("it is reset or replace")
	}
	return nil
}

// check refuses flags that do not say what to do, and completes the others.
func (r *rotation) check() error {
	r.file = keyFile{path: r.credentialsFile}
	if r.credentialsFile == "" {
		r.file = keyFile{path: r.secretFile, clientID: r.clientID}
	}
	if r.journal == "" {
		r.journal = r.file.path + ".journal"
	}
	switch {
	case r.credentialsFile != "" && (r.clientID != "" || r.secretFile != ""):
		return fmt.Errorf("%w: holdfast rotate: -credentials-file is in the place of -client-id and -secret-file: leave these out", errUsage)
	case r.credentialsFile == "" && (r.clientID == "" || r.secretFile == ""):
		return fmt.Errorf("%w: holdfast rotate: -client-id and -secret-file are needed, or -credentials-file; a secret itself is never an argument", errUsage)
	case r.strategy == rotate.Replace && !r.file.hasClientID():
		return fmt.Errorf("%w: holdfast rotate: %s", errUsage, r.howToReplace())
	case r.strategy == rotate.Replace && r.keyID != 0:
		return fmt.Errorf("%w: holdfast rotate: -key-id is of no use with -strategy replace, which looks the key up, and makes one with another number", errUsage)
	case r.overlap <= 0:
		return fmt.Errorf("%w: holdfast rotate: -overlap must be positive", errUsage)
	case (r.adminID == "") != (r.adminSecretFile == ""):
		return fmt.Errorf("%w: holdfast rotate: -admin-client-id and -admin-secret-file go together", errUsage)
	}
	return nil
}

func (r *rotation) run(ctx context.Context, std streams) (report rotate.Report, err error) {
	store, keyring, err := r.open(ctx, std)
	if err != nil {
		return report, err
	}
	r.lifeboat = &lifeboat{file: r.file, clientID: keyring.Current().ClientID, told: std.err}
	copying := &copyist{file: r.file, overlap: r.overlap, told: std.err, last: keyring.Current()}
	defer keyring.Subscribe(copying.write)()
	f := &fleet{rotation: r, keyring: keyring, copying: copying}
	cfg := rotate.Config{
		Keyring: keyring, Store: store, Sessions: f.sessions, KeyID: r.keyID, Throwaway: r.config(),
		SecondFactor: askFactor(ctx, newTerminal(std.in), std.err), Logger: r.log, Strategy: r.strategy, Overlap: r.overlap,
		TokensSurvive: r.tokensSurvive, AcceptLockout: r.acceptLockout,
		Hooks: rotate.Hooks{OnUnsaved: r.lifeboat.take},
	}
	if r.adminID != "" {
		if cfg.Authority, err = f.dialAdmin(ctx); err != nil {
			return report, err
		}
	}
	rotator, err := rotate.New(cfg)
	if err != nil {
		return report, errors.Join(err, f.close(ctx))
	}
	// An interrupt stops the rotation where it can be stopped, and waits where a received secret has to be stored.
	closing := func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return rotator.Close(last)
	}
	stop := context.AfterFunc(ctx, func() { _ = closing() }) // the Close below tells the same error
	defer stop()
	if report, err = r.turn(ctx, std.err, store, rotator, f); err == nil {
		err = r.lifeboat.empty(report.KeyID)
	}
	if !errors.Is(err, copying.err) { // else it is told already
		err = errors.Join(err, copying.err)
	}
	return report, errors.Join(err, closing(), f.close(context.WithoutCancel(ctx)))
}

// closeTimeout bounds the end: a secret that was received and cannot be stored is tried for so long, and the answer to a reset, which is
// awaited for a minute, is not given up before.
const closeTimeout = 75 * time.Second

// config is how sessions are opened.
func (r *rotation) config() session.Config {
	return session.Config{URL: r.url, AllowPlaintext: r.plaintext, Logger: r.log, NetDial: r.netDial}
}
