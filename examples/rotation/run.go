package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

// stage is all that a run sets up.
type stage struct {
	opts      options
	account   io.Writer
	evidence  *evidence
	exchange  *deribittest.Server
	key       deribittest.Key
	authority authority // of its own: a second key that may reset the first
	line      line      // the authority's
	keyring   *rotate.Keyring
	storePath string
	config    rotate.Config
	rotator   *rotate.Rotator
	fleet     []*session.Session

	consumers []*consumer
	callers   []*caller
	phase     atomic.Int32
	turns     []turn
	broken    []string

	fault   *faultResult // nil before it is injected
	full    *fullStore
	unsaved atomic.Int32 // how often OnUnsaved was told
	person  person
	foreign session.Credentials // of a third key
}

// run plays the whole scene and judges it. An error means that it could not be played.
func run(ctx context.Context, opts options, account io.Writer) (*result, error) {
	also := io.Discard
	if opts.verbose {
		also = os.Stderr
	}
	found := &result{
		Behaviour: opts.behaviour.String(), Transport: opts.transport, Sessions: opts.sessions, Callers: opts.callers,
		Rotations: opts.rotations, Goroutines: goroutines{Before: runtime.NumGoroutine()},
	}
	evidence, err := newEvidence(also)
	if err != nil {
		return nil, err
	}
	s := &stage{opts: opts, account: account, evidence: evidence}
	s.person.code = func() string { return s.exchange.SecondFactorCode(s.key.ID) }
	dir, err := os.MkdirTemp("", "holdfast-rotation-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s.storePath = filepath.Join(dir, "key")
	err = s.setUp(ctx)
	if err == nil {
		err = s.play(ctx)
	}
	if err == nil {
		s.count(found)
	}
	if closeErr := s.tearDown(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	found.Goroutines.After = settledGoroutines(found.Goroutines.Before)
	if err := s.search(ctx, found); err != nil {
		return nil, err
	}
	s.judge(found)
	found.account(account)
	if opts.report != "" {
		err = s.writeReport(opts.report, found)
	}
	return found, err
}

func (s *stage) tell(format string, args ...any) { _, _ = fmt.Fprintf(s.account, format+"\n", args...) }

// setUp starts the exchange, the sessions with their subscriptions, and the rotator.
func (s *stage) setUp(ctx context.Context) (err error) {
	// The market is moved by the run itself, so that it can stand still before notifications are counted.
	s.exchange, err = deribittest.New(deribittest.Config{Reset: s.opts.behaviour, Tick: -1, OnFrame: s.line.onFrame})
	if err != nil {
		return err
	}
	s.key = s.exchange.AddKey(deribittest.KeyConfig{Name: "engine", SecondFactor: s.opts.fault == secondFactor})
	store, err := filestore.Create(ctx, s.storePath, rotate.Record{
		KeyID: s.key.ID, ClientID: s.key.ClientID,
		Current: rotate.Candidate{Secret: session.NewSecret([]byte(s.key.Secret)), Generation: 1},
	})
	if err != nil {
		return err
	}
	record, err := store.Load(ctx)
	if err != nil {
		return err
	}
	s.keyring = rotate.NewKeyring(record.Credentials())
	admin := s.sessionConfig("admin", s.addKey("admin"))
	admin.NetDial = s.line.dial
	if s.authority.Session, err = session.Dial(ctx, admin); err != nil {
		return err
	}
	if err := s.openFleet(ctx); err != nil {
		return err
	}
	return s.newRotator(store)
}

func (s *stage) openFleet(ctx context.Context) error {
	market, channels, err := lookAround(ctx, &s.authority, s.opts.channels-len(accountChannels)*s.opts.sessions)
	if err != nil {
		return err
	}
	for i := range s.opts.sessions {
		one, err := s.dial(ctx, fmt.Sprintf("session-%d", i+1), s.keyring)
		if err != nil {
			return err
		}
		s.fleet = append(s.fleet, one)
		consumers, err := subscribe(ctx, one, share(channels, i, s.opts.sessions))
		if err != nil {
			return err
		}
		s.consumers = append(s.consumers, consumers...)
	}
	for i := range s.opts.callers {
		s.callers = append(s.callers, &caller{
			id: i, session: s.fleet[i%len(s.fleet)], market: market, phase: &s.phase, pace: s.opts.pace,
		})
	}
	s.tell("%d sessions over %s hold %d channels; a reset: %s", len(s.fleet), s.opts.transport, s.channels(), s.opts.behaviour)
	return nil
}

func (s *stage) channels() int {
	n := 0
	for _, c := range s.consumers {
		n += len(c.sub.Channels())
	}
	return n
}

func (s *stage) newRotator(store rotate.Store) (err error) {
	s.config = rotate.Config{
		Keyring: s.keyring, Store: store, Sessions: rotate.Fleet(s.fleet...), Authority: &s.authority, KeyID: s.key.ID,
		Throwaway: s.sessionConfig("", nil),
		Observer:  s.evidence.observer, Logger: s.evidence.logger,
	}
	if s.opts.fault != "" {
		if err := s.expectFault(); err != nil {
			return err
		}
	}
	s.rotator, err = rotate.New(s.config)
	return err
}

var dialers = map[string]rpc.Dialer{"nhooyr": nhooyrws.Dialer{}, "coder": coderws.Dialer{}, "lean": leanws.Dialer{}}

func (s *stage) dial(ctx context.Context, name string, source session.CredentialSource) (*session.Session, error) {
	return session.Dial(ctx, s.sessionConfig(name, source))
}

func (s *stage) sessionConfig(name string, source session.CredentialSource) session.Config {
	return session.Config{
		URL: s.exchange.URL(), Credentials: source, Name: name, Dialer: dialers[s.opts.transport],
		SubscriptionsSurvive: !s.opts.behaviour.SubscriptionsDropped, // of a real exchange "holdfast probe" finds out
		Observer:             s.evidence.observer, Logger: s.evidence.logger,
	}
}

// addKey has the exchange make one more key.
func (s *stage) addKey(name string) session.Credentials {
	key := s.exchange.AddKey(deribittest.KeyConfig{Name: name})
	return session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
}

// play runs callers and consumers, and turns the key under them.
func (s *stage) play(ctx context.Context) error {
	var readers, workers sync.WaitGroup
	for _, c := range s.consumers {
		readers.Go(func() { c.run(ctx) })
	}
	calling, stop := context.WithCancel(ctx)
	for _, c := range s.callers {
		workers.Go(func() { c.run(calling) })
	}
	workers.Go(func() { s.moveMarket(calling) })
	err := s.rotations(ctx)
	stop()
	workers.Wait()
	s.awaitNotifications(ctx)
	return err
}

func (s *stage) moveMarket(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.exchange.Tick()
		case <-ctx.Done():
			return
		}
	}
}

func (s *stage) rotations(ctx context.Context) error {
	s.tell("%d callers read, order and cancel", len(s.callers))
	if err := wait(ctx, s.opts.phase); err != nil {
		return err
	}
	for i := range s.opts.rotations {
		s.phase.Store(during)
		s.tell("\nrotation %d of %d", i+1, s.opts.rotations)
		if s.opts.fault != "" && i == faulty {
			if err := s.turnFaulty(ctx); err != nil {
				return err
			}
		} else {
			s.turn(ctx, s.rotator.Rotate, rotated)
		}
		for _, one := range s.fleet {
			if err := one.WaitReady(ctx); err != nil {
				return err
			}
		}
		s.phase.Store(after)
		if err := wait(ctx, s.opts.phase); err != nil {
			return err
		}
	}
	return s.agree(ctx)
}

// turn has the rotator rotate or recover, and keeps how that ended and how it was to end.
func (s *stage) turn(ctx context.Context, begin func(context.Context) (rotate.Report, error), want ending) {
	report, err := begin(ctx)
	s.turns = append(s.turns, turn{report, err, want})
	s.tell("%v", report)
}

// agree looks whether all are left with the secret that the exchange takes, and nothing is left to be done.
func (s *stage) agree(ctx context.Context) error {
	record, err := s.config.Store.Load(ctx)
	if err != nil {
		return err
	}
	key, _ := s.exchange.Key(s.key.ID)
	current := s.keyring.Current()
	isTheirs := current.Secret.Equal(session.NewSecret([]byte(key.Secret)))
	if !isTheirs || !record.Current.Secret.Equal(current.Secret) || record.Intent != nil {
		s.broken = append(s.broken, "the store or the keyring is not left with the secret that the exchange takes")
	}
	for _, one := range s.fleet {
		if one.Generation() != current.Generation {
			s.broken = append(s.broken, fmt.Sprintf("%s is left at generation %d", one.Name(), one.Generation()))
		}
	}
	return nil
}

// awaitNotifications waits until what the exchange handed to live connections has been received, or will not be: a
// connection that was closed took some with it.
func (s *stage) awaitNotifications(ctx context.Context) {
	for range 100 {
		received, _, _ := tally(s.consumers)
		if compare(s.exchange.PublishedAll(), received).Lost == 0 || wait(ctx, 20*time.Millisecond) != nil {
			return
		}
	}
}

// tearDown closes all that setUp opened.
func (s *stage) tearDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if s.rotator != nil {
		note(s.rotator.Close(ctx))
	}
	for _, one := range append(s.fleet, s.authority.Session) {
		if one != nil {
			note(one.Close(ctx))
		}
	}
	if s.exchange != nil {
		note(s.exchange.Close())
	}
	return first
}

// wait waits, unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settledGoroutines counts the goroutines when they are back to what they were, or will not be.
func settledGoroutines(before int) int {
	for range 100 {
		if runtime.NumGoroutine() <= before {
			break
		}
		_ = wait(context.Background(), 10*time.Millisecond)
	}
	return runtime.NumGoroutine()
}
