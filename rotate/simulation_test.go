package rotate_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
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
	w.save = func(rotate.Record) error { return fail(10) }
	w.try = func() error { return fail(30) }
	w.reply = func(raw string) string {
		w.lost = f.strike(10)
		if f.strike(5) {
			return raw[:len(raw)-f.rng.IntN(len(raw))]
		}
		return raw
	}
	w.refuse = func(map[string]any) (string, error) {
		if f.strike(10) {
			outcome := rpc.Outcome(f.rng.IntN(2))
			return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: outcome, Err: errDown}
		}
		if f.strike(5) {
			return "", refusal(session.CodeTooManyRequests, "")
		}
		return "", nil
	}
}

// TestSimulationShell lets processes rotate, fail and die at random, then lets the faults stop: what is left must settle, or a person be
// told. All along the world watches R1, R9 and R10.
func TestSimulationShell(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	fired, locked := 0, 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.revokes = seed%2 == 0
			f := &faults{rng: rand.New(rand.NewPCG(seed, 1))}
			plague(w, f)
			for range 4 {
				p := newProcess(w)
				p.last = 1 + f.rng.IntN(60)
				liveBadly(t, p)
			}
			f.stopped = true
			w.lost = false
			last := newProcess(w)
			fired += f.fired
			if !converge(t, last) {
				locked++
			}
			if len(w.broken) > 0 {
				t.Errorf("broken: %v", w.broken)
			}
			if t.Failed() {
				t.Logf("seed %d, %d faults", seed, f.fired)
			}
		})
	}
	if fired < int(seeds) || locked == 0 || locked > int(seeds)/2 {
		t.Errorf("%d faults in %d seeds, %d locked out: the simulation does not show much", fired, seeds, locked)
	}
}

// liveBadly has a process recover and rotate until it dies or has been closed.
func liveBadly(t *testing.T, p *process) {
	t.Helper()
	r := p.rotator(t, nil)
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

// converge reports whether the last process has come to rest with what the exchange has; if the secret was never stored, it must say
// so instead.
func converge(t *testing.T, p *process) bool {
	t.Helper()
	stored := p.record == nil || p.isStored(session.NewSecret([]byte(p.secret)))
	r := p.rotator(t, nil)
	_, err := r.Recover(t.Context())
	if _, out := errors.AsType[*rotate.LockedOutError](err); out {
		if stored {
			t.Errorf("locked out, with the secret in the store: %v", err)
		}
		return false
	}
	if stored = p.isStored(session.NewSecret([]byte(p.secret))); err != nil || !stored {
		t.Errorf("recover: %v, the exchange's secret is stored: %t", err, stored)
		return true
	}
	if _, err := r.Rotate(laterThanLease(t)); err != nil {
		t.Errorf("rotate: %v", err)
	}
	settled(t, p)
	return true
}
