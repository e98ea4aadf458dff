package crashtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

// These are short, so that a recovery does not wait for long for the lease of the dead, and for what it may have sent.
const (
	resetTimeout = time.Second
	leaseTTL     = 2 * resetTimeout
	quarantine   = 200 * time.Millisecond
)

// job is what a process is to do.
type job struct {
	URL, Dir                   string
	AdminClientID, AdminSecret string // empty where the key has a rescue token instead
	Kill                       *point // nil for a process that lives
}

func (j job) storePath() string { return filepath.Join(j.Dir, "key") }
func (j job) sparePath() string { return filepath.Join(j.Dir, "spare") }

// child is a process. It returns its exit code.
func child() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) //nolint:forbidigo // the root of a process of its own
	defer cancel()
	var j job
	err := json.NewDecoder(os.Stdin).Decode(&j)
	if err == nil {
		var did outcome
		did, err = live(ctx, j, os.Stderr)
		err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(did))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// outcome is what a life has come to.
type outcome struct {
	Resets    int  // that the recovery has sent
	LockedOut bool // at the recovery
}

// life is a process that recovers and rotates.
type life struct {
	job     job
	killer  *killer
	log     *slog.Logger
	keyring *rotate.Keyring
	rotator *rotate.Rotator
	fleet   []rotate.Session
	ends    []func(context.Context) error // newest last
}

// live recovers, dials sessions, rotates, and has everything agree.
func live(ctx context.Context, j job, log io.Writer) (did outcome, err error) {
	l := &life{job: j, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if j.Kill != nil {
		l.killer = &killer{point: *j.Kill}
	}
	defer func() {
		for _, end := range slices.Backward(l.ends) {
			err = errors.Join(err, end(ctx))
		}
	}()
	if err := l.start(ctx); err != nil {
		return did, fmt.Errorf("start: %w", err)
	}
	report, err := l.rotator.Recover(ctx)
	for _, step := range report.Steps {
		if step.Kind == rotate.StepReset {
			did.Resets++
		}
	}
	if _, did.LockedOut = errors.AsType[*rotate.LockedOutError](err); err != nil {
		return did, fmt.Errorf("recover: %w", err)
	}
	if err := l.dialFleet(ctx); err != nil {
		return did, fmt.Errorf("sessions: %w", err)
	}
	if err := l.rotate(ctx); err != nil {
		return did, fmt.Errorf("rotate: %w", err)
	}
	return did, l.agree(ctx)
}

func (l *life) start(ctx context.Context) error {
	opened, err := filestore.Open(l.job.storePath())
	if err != nil {
		return err
	}
	spare, err := filestore.Open(l.job.sparePath())
	if err != nil {
		return err
	}
	record, err := opened.Load(ctx)
	if err != nil {
		return err
	}
	l.keyring = rotate.NewKeyring(record.Credentials())
	unsubscribe := l.keyring.Subscribe(func(c session.Credentials) {
		if c.Generation > record.Current.Generation {
			l.killer.at("published")
		}
	})
	l.ends = append(l.ends, func(context.Context) error { unsubscribe(); return nil })
	outside := &wire{killer: l.killer, dialed: "outside dial", sent: "outside sent", read: "outside read"}
	outside.armed.Store(true)
	cfg := rotate.Config{
		Keyring: l.keyring, Store: &store{opened, l.job.storePath(), l.killer}, Spare: spare,
		Sessions: func() []rotate.Session { return l.fleet }, TokensSurvive: l.job.AdminSecret == "",
		Throwaway: session.Config{URL: l.job.URL, NetDial: outside.dial},
		Observer:  observer{l.killer}, Hooks: l.hooks(), Logger: l.log,
		ResetTimeout: resetTimeout, Quarantine: quarantine, LeaseTTL: leaseTTL, Stagger: -1,
	}
	if l.job.AdminSecret != "" {
		admin := session.Credentials{ClientID: l.job.AdminClientID, Secret: session.NewSecret([]byte(l.job.AdminSecret))}
		if cfg.Authority, err = l.dial(ctx, "admin", admin); err != nil {
			return err
		}
	}
	if l.rotator, err = rotate.New(cfg); err != nil {
		return err
	}
	l.ends = append(l.ends, l.rotator.Close)
	return nil
}

func (l *life) hooks() rotate.Hooks {
	return rotate.Hooks{
		BeforeReset: func(context.Context, rotate.Plan) error { l.killer.at("hook BeforeReset"); return nil },
		AfterReset:  func(context.Context, rotate.APIKey) { l.killer.at("hook AfterReset") },
		Finished:    func(context.Context, rotate.Report) { l.killer.at("hook Finished") },
	}
}

// dial returns a session that can send the reset.
func (l *life) dial(ctx context.Context, name string, source session.CredentialSource) (*authority, error) {
	w := &wire{killer: l.killer, dialed: "dial", sent: "sent", read: "reply read"}
	s, err := session.Dial(ctx, session.Config{URL: l.job.URL, Name: name, Credentials: source, NetDial: w.dial, Logger: l.log})
	if err != nil {
		return nil, err
	}
	l.ends = append(l.ends, s.Close)
	return &authority{s, l.killer, w}, nil
}

func (l *life) dialFleet(ctx context.Context) error {
	var fleet []rotate.Session
	for _, name := range []string{"one", "two"} {
		s, err := l.dial(ctx, name, l.keyring)
		if err != nil {
			return err
		}
		fleet = append(fleet, s)
	}
	l.fleet = fleet
	return nil
}

// rotate waits for the lease of the dead to end. On a machine that is busy a rotation may be refused before its reset, too.
func (l *life) rotate(ctx context.Context) error {
	for {
		_, err := l.rotator.Rotate(ctx)
		_, held := errors.AsType[*rotate.LeaseHeldError](err)
		_, refused := errors.AsType[*rotate.PreflightError](err)
		busy := refused && errors.Is(err, context.DeadlineExceeded)
		if !held && !busy {
			return err
		}
		select {
		case <-time.After(leaseTTL / 20):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// agree fails unless every session has the current secret, and the exchange takes its calls.
func (l *life) agree(ctx context.Context) error {
	current, err := l.keyring.Credentials(ctx)
	if err != nil {
		return err
	}
	for _, s := range l.fleet {
		if err := s.WaitReady(ctx); err != nil {
			return err
		}
		if s.Generation() != current.Generation {
			return fmt.Errorf("%s is at generation %d of %d", s.Name(), s.Generation(), current.Generation)
		}
		if err := s.Call(ctx, "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			return err
		}
	}
	return nil
}
