package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// faults makes a world fail at random, until stopped.
type faults struct {
	rng     *rand.Rand
	stopped bool
	fired   int
}

func (f *faults) strike(percent int) bool {
	if f.stopped || f.rng.IntN(100) >= percent {
		return false
	}
	f.fired++
	return true
}

// plague lets the store, the network and the exchange fail.
func plague(w *world, f *faults) {
	fail := func(percent int) error {
		if f.strike(percent) {
			return errDown
		}
		return nil
	}
	factor := f.rng.IntN(4) == 0
	w.save = func(rotate.Record) error { return fail(10) }
	w.try = func() error { return fail(30) }
	w.reply = func(raw string) string {
		w.lost = f.strike(10)
		if f.strike(10) { // it comes when nobody waits for it any more
			w.mu.Unlock()
			<-time.After(20 * time.Second)
			w.mu.Lock()
		}
		if f.strike(5) {
			return raw[:len(raw)-f.rng.IntN(len(raw))]
		}
		return raw
	}
	w.refuse = func(params map[string]any) (string, error) {
		switch {
		case f.strike(10):
			outcome := rpc.Outcome(f.rng.IntN(2))
			return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: outcome, Err: errDown}
		case f.strike(10):
			time.AfterFunc(time.Duration(f.rng.IntN(58))*time.Second, w.resetLate)
			return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.Unknown, Err: errDown}
		case f.strike(5):
			return "", refusal(session.CodeTooManyRequests, "")
		case f.strike(5):
			return "", refusal(session.CodeMaintenance, "")
		case factor && params["authorization_data"] == nil:
			return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
		case factor && f.strike(20):
			return "", refusal(session.CodeSecurityKey, "used_tfa_code")
		}
		return "", nil
	}
}

// resetLate is a request that was long on its way.
func (w *world) resetLate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record.Intent == nil {
		w.broke("R9: a reset is executed late without an intent")
	}
	w.change("secret")
}

// change is a reset.
func (w *world) change(what string) {
	w.resets++
	w.befall()
	w.secret = fmt.Sprintf("CANARY-%s-%d", what, w.resets+1)
	w.note("reset: %s", what)
}

// shellProfiles are: tokens kept or revoked, subscriptions kept or dropped, connections kept, closed, or closed before the reply, all of
// them first without an admin key, then with one.
const shellProfiles = 2 * 2 * 3 * 2

// plight is what a seed has processes rotate in.
type plight struct {
	*world
	*faults
	spare   *memstore.Store
	heal    bool // Config.TakeBack
	admin   bool // a session of a second key has authority
	pairs   bool // two processes at a time
	foreign bool // a person has reset the key
}

func newPlight(seed uint64) *plight {
	x := &plight{world: newWorld(), faults: &faults{rng: rand.New(rand.NewPCG(seed, 1))}, spare: memstore.New()}
	profile := seed % shellProfiles
	x.revokes, x.drops, x.admin = profile%2 == 1, profile/2%2 == 1, profile/12 == 1
	x.closes, x.closesFirst = profile/4%3 == 1, profile/4%3 == 2
	x.pairs, x.heal = x.rng.IntN(3) == 0, x.rng.IntN(3) == 0
	plague(x.world, x.faults)
	return x
}

// rotator returns a Rotator of a process: a person answers its second factor, most of the time.
func (x *plight) rotator(t *testing.T, p *process) *rotate.Rotator {
	t.Helper()
	return p.rotator(t, func(cfg *rotate.Config) {
		cfg.Spare, cfg.TakeBack = x.spare, x.heal
		if x.admin {
			cfg.Authority = newSecondKey(p)
		}
		cfg.SecondFactor = func(context.Context, rotate.Challenge) (string, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.strike(20) {
				return "", errDown
			}
			return "123456", nil
		}
	})
}

// deaf reports whether no answer to a reset can come.
func (x *plight) deaf() bool { return x.closesFirst && !x.admin }

// suffer has processes live badly one after another, or two at a time, and a person interfere now and then.
func (x *plight) suffer(t *testing.T) {
	t.Helper()
	for range 4 {
		var living sync.WaitGroup
		for range x.atOnce() {
			p := x.mortal()
			r := x.rotator(t, p)
			living.Go(func() { liveWith(t, p, r) })
		}
		living.Wait()
		x.mu.Lock()
		x.processes = nil
		if x.record != nil && x.strike(5) {
			x.change("foreign")
			x.foreign = true
		}
		x.mu.Unlock()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stopped, x.lost = true, false
}

// process is a new one.
func (x *plight) process() *process {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := newProcess(x.world)
	x.processes = append(x.processes, p)
	return p
}

// mortal is a new process that will die.
func (x *plight) mortal() *process {
	p := x.process()
	x.mu.Lock()
	defer x.mu.Unlock()
	p.last = 1 + x.rng.IntN(60)
	return p
}

func (x *plight) atOnce() int {
	if x.pairs {
		return 2
	}
	return 1
}

// rules are those that broke, but for what a person has caused: then the store cannot know that its secret is dead.
func (x *plight) rules() (broken []string) {
	for _, rule := range x.broken {
		if !x.foreign || !strings.HasPrefix(rule, "R9") {
			broken = append(broken, rule)
		}
	}
	x.broken = nil
	return broken
}

// TestSimulationShell lets processes rotate, fail and die at random, in as many worlds as -seeds says, then lets the faults stop: what is
// left must settle, or a person be told, and that only where nobody else could help. All along the world watches R1, R9 and R10. A seed
// replays the faults, but not how goroutines take turns.
func TestSimulationShell(t *testing.T) {
	seeds := uint64(*simSeeds)
	if testing.Short() {
		seeds = min(seeds, 30)
	}
	var tally shellTally
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			x := newPlight(seed)
			x.suffer(t)
			first, second := x.process(), x.process()
			kept := x.converge(t, first)
			if kept && x.pairs {
				x.follows(t, second)
			}
			if broken := x.rules(); len(broken) > 0 {
				t.Errorf("broken: %v", broken)
			}
			if t.Failed() {
				t.Logf("seed %d, %d faults: %v", seed, x.fired, x.events)
			}
			of := &tally[seed%shellProfiles]
			of.seeds++
			of.faults += x.fired
			if !kept {
				of.locked++
			}
		})
	}
	t.Log(&tally)
	tally.judge(t)
}

// shellTally is what the worlds of each profile came to, with an admin key and without.
type shellTally [shellProfiles]struct{ seeds, faults, locked int }

// judge sees that the simulation has shown what it is for.
func (t *shellTally) judge(tb testing.TB) {
	tb.Helper()
	seeds, locked := 0, 0
	for profile, of := range t {
		if of.faults < of.seeds {
			tb.Errorf("profile %d: %d faults in %d seeds", profile, of.faults, of.seeds)
		}
		seeds += of.seeds
		locked += of.locked
	}
	if locked == 0 || locked > seeds/2 {
		tb.Errorf("%d of %d worlds were locked out: the simulation does not show much", locked, seeds)
	}
}

// String is a line for each profile.
func (t *shellTally) String() string {
	var page strings.Builder
	for profile, of := range t {
		fmt.Fprintf(&page, "\nprofile %2d: %d seeds, %d faults, %d locked out", profile, of.seeds, of.faults, of.locked)
	}
	return page.String()
}

// liveBadly has a process recover and rotate until it dies or has been closed.
func liveBadly(t *testing.T, p *process) {
	t.Helper()
	liveWith(t, p, p.rotator(t, nil))
}

func liveWith(t *testing.T, p *process, r *rotate.Rotator) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := r.Recover(t.Context()); err != nil {
			return
		}
		_, _ = r.Rotate(t.Context()) // what it says is not in question here
	}()
	select {
	case <-done:
	case <-p.dead:
	}
	kill, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = r.Close(kill)
	<-done
}

// converge reports whether the last process has come to rest with what the exchange has; if nobody could have, it must say so instead.
func (x *plight) converge(t *testing.T, p *process) bool {
	t.Helper()
	r := x.rotator(t, p)
	_, err := r.Recover(t.Context())
	if _, out := errors.AsType[*rotate.LockedOutError](err); out {
		x.mustBeLockedOut(t, p, err)
		return false
	}
	if stored := p.record == nil || p.isStored(session.NewSecret([]byte(p.secret))); err != nil || !stored {
		t.Errorf("recover: %v, the exchange's secret is stored: %t", err, stored)
		return true
	}
	_, err = r.Rotate(laterThanLease(t))
	if _, out := errors.AsType[*rotate.LockedOutError](err); out && x.deaf() {
		x.mustBeLockedOut(t, p, err) // AcceptLockout is what the processes of these worlds live with
		return false
	}
	if err != nil {
		t.Errorf("rotate: %v", err)
	}
	if broken := x.rules(); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
	settled(t, p)
	for _, session := range p.sessions {
		if session.dropped {
			t.Errorf("nobody has seen to the subscriptions of session %s", session.name)
		}
	}
	return true
}

// follows sees that another process comes to rest, too: its sessions that were closed connect again by themselves.
func (x *plight) follows(t *testing.T, p *process) {
	t.Helper()
	r := x.rotator(t, p)
	if _, err := r.Recover(t.Context()); err != nil {
		t.Errorf("the other process: recover: %v", err)
	}
	for _, s := range p.sessions {
		if err := s.WaitReady(t.Context()); err != nil {
			t.Errorf("the other process: session %s: %v", s.name, err)
		}
	}
	settled(t, p)
}

// mustBeLockedOut sees that nobody but a person could help.
func (x *plight) mustBeLockedOut(t *testing.T, p *process, err error) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.isStored(session.NewSecret([]byte(x.secret))):
		t.Errorf("locked out, with the secret in the store: %v", err)
	case x.record.Intent == nil || !p.keyring.IsShut():
		t.Errorf("locked out, and new sessions do not wait: %v", err)
	case errors.Is(err, rotate.ErrForeignReset) && !x.foreign:
		t.Errorf("somebody else's reset, but there was none: %v", err)
	case x.foreign && !x.heal:
		return
	case x.deaf() && errors.Is(err, rotate.ErrResetsUnanswered):
		return
	case x.admin:
		t.Errorf("locked out, and another key could reset this one: %v", err)
	case x.isRescue(x.record.Intent.Rescue):
		t.Errorf("locked out, with a rescue token: %v", err)
	}
	for _, s := range p.sessions {
		if !s.closed && s.token == x.epoch {
			t.Errorf("locked out, and session %s could reset the key: %v", s.name, err)
		}
	}
}
