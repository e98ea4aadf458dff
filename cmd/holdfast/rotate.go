package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// rotation is what the flags of rotate say.
type rotation struct {
	url             string
	clientID        string
	secretFile      string
	journal         string
	keyID           int64
	adminID         string
	adminSecretFile string
	tokensSurvive   bool
	acceptLockout   bool
	plaintext       bool
	verbose         bool

	log *slog.Logger // nil without -v
}

// rotateKey rotates the secret of a key. The file's new content is the new secret.
func rotateKey(ctx context.Context, std streams, args []string) error {
	var r rotation
	flags := flag.NewFlagSet("rotate", flag.ContinueOnError)
	flags.StringVar(&r.url, "url", session.TestURL, "WebSocket endpoint of the exchange")
	flags.StringVar(&r.clientID, "client-id", "", "client id of the key (needed)")
	flags.StringVar(&r.secretFile, "secret-file", "", "file that holds the key's secret, mode 0600; it is replaced (needed)")
	flags.StringVar(&r.journal, "journal", "", "file that keeps the rotation's state for a crash, secrets too, mode 0600; empty is the secret file's name and .journal")
	flags.Int64Var(&r.keyID, "key-id", 0, "the key's number; 0 looks it up, which may ask for a second factor of its own")
	flags.StringVar(&r.adminID, "admin-client-id", "", "client id of a second key that sends the reset; it needs account:read_write, and still works when this key's secret is lost")
	flags.StringVar(&r.adminSecretFile, "admin-secret-file", "", "file that holds the second key's secret")
	flags.BoolVar(&r.tokensSurvive, "tokens-survive", false, "tokens outlive a reset, as holdfast probe has found: one of them can reset the key again")
	flags.BoolVar(&r.acceptLockout, "accept-lockout", false, "rotate although a lost answer could lock the key out: no second key, and tokens may not survive")
	flags.BoolVar(&r.plaintext, "allow-plaintext", false, "allow a ws URL to another machine")
	flags.BoolVar(&r.verbose, "v", false, "log to standard error")
	if err := parse(flags, std, args); err != nil {
		return err
	}
	if r.clientID == "" || r.secretFile == "" {
		return fmt.Errorf("%w: holdfast rotate: -client-id and -secret-file are needed; a secret itself is never an argument", errUsage)
	}
	if (r.adminID == "") != (r.adminSecretFile == "") {
		return fmt.Errorf("%w: holdfast rotate: -admin-client-id and -admin-secret-file go together", errUsage)
	}
	if r.journal == "" {
		r.journal = r.secretFile + ".journal"
	}
	if r.verbose {
		r.log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	report, err := r.run(ctx, std)
	if report.ID != "" {
		_, _ = fmt.Fprintln(std.out, report)
	}
	if errors.Is(err, rotate.ErrNoRecoveryAuthority) {
		_, _ = fmt.Fprintln(std.err, "The flags for these are -admin-client-id with -admin-secret-file, -tokens-survive, and -accept-lockout.")
	}
	if _, locked := errors.AsType[*rotate.LockedOutError](err); locked {
		_, _ = fmt.Fprintf(std.err, "When the key is reset, put its new secret into %s, and run this command again.\n", r.secretFile)
	}
	return err
}

func (r *rotation) run(ctx context.Context, std streams) (report rotate.Report, err error) {
	store, keyring, err := r.open(ctx, std)
	if err != nil {
		return report, err
	}
	var unwritten error // of the secret file, which follows what is published
	first := keyring.Current().Generation
	unsubscribe := keyring.Subscribe(func(c session.Credentials) {
		if c.Generation == first { // the file may hold what the exchange refuses just now, and nobody else has
			return
		}
		secret := c.Secret.Reveal()
		defer clear(secret)
		unwritten = writeSecretFile(r.secretFile, secret)
	})
	defer unsubscribe()
	f := &fleet{rotation: r}
	cfg := rotate.Config{
		Keyring: keyring, Store: store, Sessions: f.sessions, KeyID: r.keyID, Throwaway: r.config(),
		SecondFactor: askFactor(ctx, std), Logger: r.log,
		TokensSurvive: r.tokensSurvive, AcceptLockout: r.acceptLockout,
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
	report, err = r.turn(ctx, rotator, f, keyring)
	return report, errors.Join(err, closing(), f.close(context.WithoutCancel(ctx)), unwritten)
}

// turn finishes what a crash has left, then opens the sessions, and rotates. An interrupt does not leave a rotation alone: it
// closes the rotator, which is waited for.
func (r *rotation) turn(
	ctx context.Context, rotator *rotate.Rotator, f *fleet, keyring *rotate.Keyring,
) (report rotate.Report, err error) {
	waiting := context.WithoutCancel(ctx)
	if report, err = rotator.Recover(waiting); err != nil {
		return report, err
	}
	if f.own, err = f.dial(ctx, keyring); err != nil {
		return report, err
	}
	return rotator.Rotate(waiting)
}

// closeTimeout bounds the end: a secret that was received and cannot be stored is tried for so long.
const closeTimeout = 30 * time.Second

// fleet is the sessions that a rotation needs: one of the key, and one of the second key, if there is one.
type fleet struct {
	*rotation
	own, admin *session.Session
}

// sessions are those to re-authenticate.
func (f *fleet) sessions() []rotate.Session {
	if f.own == nil {
		return nil // not yet: what is recovered comes first
	}
	return []rotate.Session{f.own}
}

func (f *fleet) dialAdmin(ctx context.Context) (*session.Session, error) {
	secret, err := readSecretFile(f.adminSecretFile)
	if err != nil {
		return nil, err
	}
	f.admin, err = f.dial(ctx, session.Credentials{ClientID: f.adminID, Secret: secret})
	return f.admin, err
}

func (f *fleet) dial(ctx context.Context, source session.CredentialSource) (*session.Session, error) {
	cfg := f.config()
	cfg.Credentials = source
	return session.Dial(ctx, cfg)
}

func (f *fleet) close(ctx context.Context) error {
	var errs []error
	for _, s := range []*session.Session{f.own, f.admin} {
		if s != nil {
			errs = append(errs, s.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// config is how sessions are opened.
func (r *rotation) config() session.Config {
	return session.Config{URL: r.url, AllowPlaintext: r.plaintext, Logger: r.log}
}
