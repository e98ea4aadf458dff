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

const (
	// A machine that is busy answers in time, too: what is not answered has its second factor waited for, for minutes.
	resetTimeout = 20 * time.Second
	leaseTTL     = 2 * resetTimeout

	// These are short, so that a recovery does not wait for long for the lease of the dead, and for what it may have sent.
	leaseLeft  = 2 * time.Second
	quarantine = 200 * time.Millisecond
	overlap    = 10 * time.Millisecond
)

// job is what a process is to do.
type job struct {
	URL, Dir                   string
	AdminClientID, AdminSecret string // empty where the key has authority over itself: by its sessions, or a rescue token
	Strategy                   rotate.Strategy
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
	store   rotate.Store
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
	report, err := l.recover(ctx)
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
	l.store = &store{opened, l.job.storePath(), l.killer}
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
	outside := &wire{killer: l.killer}
	outside.arm("outside dial", "outside sent", "outside read")
	cfg := rotate.Config{
		Keyring: l.keyring, Store: l.store, Spare: spare,
		Sessions: func() []rotate.Session { return l.fleet }, TokensSurvive: l.job.AdminSecret == "",
		Strategy: l.job.Strategy, Overlap: overlap, SecondFactor: nobody,
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

// nobody is there to be asked: no key of this exchange wants it.
func nobody(context.Context, rotate.Challenge) (string, error) { return "", rotate.ErrNoSecondFactor }

func (l *life) hooks() rotate.Hooks {
	return rotate.Hooks{
		BeforeReset: func(context.Context, rotate.Plan) error { l.killer.at("hook BeforeReset"); return nil },
		AfterReset:  func(context.Context, rotate.APIKey) { l.killer.at("hook AfterReset") },
		Finished:    func(context.Context, rotate.Report) { l.killer.at("hook Finished") },
	}
}

// dial returns a session that can change keys.
func (l *life) dial(ctx context.Context, name string, source session.CredentialSource) (*authority, error) {
	w := &wire{killer: l.killer}
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

// recover finishes what the dead has left. Without an admin key there is nobody yet who could remove a key: it is left then, and that is said.
func (l *life) recover(ctx context.Context) (rotate.Report, error) {
	report, err := l.rotator.Recover(ctx)
	if _, left := errors.AsType[*rotate.LeftoverKeyError](err); left {
		report, err = l.rotator.Recover(ctx)
	}
	if err != nil {
		return report, err
	}
	record, err := l.store.Load(ctx)
	if err == nil && record.Replacement != nil && (l.job.AdminSecret != "" || report.Outcome != rotate.Unfinished || len(report.Warnings) == 0) {
		err = fmt.Errorf("it has left key %d, and says it was %s", record.Replacement.KeyID, report.Outcome)
	}
	return report, err
}

// rotate waits for the lease of the dead to end, and has a key that is reported as left removed. On a machine that is busy a rotation may be refused before its reset, too.
func (l *life) rotate(ctx context.Context) error {
	for {
		_, err := l.rotator.Rotate(ctx)
		if _, left := errors.AsType[*rotate.LeftoverKeyError](err); left {
			if _, err := l.rotator.Recover(ctx); err != nil {
				return err
			}
			continue
		}
		_, held := errors.AsType[*rotate.LeaseHeldError](err)
		_, refused := errors.AsType[*rotate.PreflightError](err)
		busy := refused && errors.Is(err, context.DeadlineExceeded)
		if !held && !busy {
			return err
		}
		select {
		case <-time.After(leaseLeft / 20):
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
		if named, ok := s.(*authority); !ok || named.ClientID() != current.ClientID {
			return fmt.Errorf("%s does not have client id %s", s.Name(), current.ClientID)
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
