package rotate_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// What the model and the simulation have found, each in its smallest form.

// TestRecoverRaisesNoIntentThatWasCleared: a process waits for the lease of another that recovers, and finds everything done. Were it to
// begin anew, the other would wait for it in its turn, and so on for ever.
func TestRecoverRaisesNoIntentThatWasCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		first := newProcess(w)
		w.record = &rotate.Record{
			Version: 1, KeyID: keyID, ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
			Intent: &rotate.Intent{ID: "left", Started: time.Now()},
			Lease:  &rotate.Lease{Owner: "another", Epoch: 1, Expires: time.Now().Add(time.Minute)},
		}
		w.version = 1
		raised := false
		w.save = func(r rotate.Record) error {
			raised = raised || r.Intent != nil
			return nil
		}
		time.AfterFunc(30*time.Second, func() { // the other has found the secret good
			w.mu.Lock()
			defer w.mu.Unlock()
			w.record.Intent, w.record.Lease = nil, &rotate.Lease{Epoch: 1}
			w.version++
			w.record.Version = w.version
		})
		if _, err := first.rotator(t, nil).Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if raised {
			t.Error("the intent was raised again")
		}
		settled(t, first)
	})
}

// TestReceiveKeepsAnothersStamp: who has lost the lease stores a late answer. The stamp in the intent is of the reset that the lease's
// present holder has sent: who recovers after its death must know of that one.
func TestReceiveKeepsAnothersStamp(t *testing.T) {
	t.Parallel()
	now := time.Now()
	record := rotate.Record{
		ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
		Intent: &rotate.Intent{ID: "present", Sent: now},
	}
	late := rotate.Candidate{Secret: session.NewSecret([]byte("CANARY-late"))}
	rotate.Receive(&record, late, "paused", time.Time{}, now)
	if !record.Intent.Sent.Equal(now) || len(record.Candidates) != 1 {
		t.Errorf("the record is %+v", record)
	}
	rotate.Receive(&record, late, "present", time.Time{}, now)
	if !record.Intent.Sent.IsZero() || len(record.Candidates) != 1 {
		t.Errorf("its own answer has come, and the record is %+v", record)
	}
}

// TestClosingRotatorDoesNotHammer closes a rotator that would have the key reset again: it must not try refused secrets until Close gives up.
func TestClosingRotatorDoesNotHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.lost = true
		var tried atomic.Int64
		p.try = func() error { tried.Add(1); return nil }
		r := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = newSecondKey(p) })
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(10 * time.Second)
		before := tried.Load()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var unknown *rotate.UnknownOutcomeError
		if err := <-done; !errors.As(err, &unknown) || tried.Load() > before+2 {
			t.Errorf("%v, and %d secrets were tried while it closed", err, tried.Load()-before)
		}
	})
}

// TestPassingRefusalIsNoLockOut: an exchange under maintenance resets no key now. Whoever has authority has it later too.
func TestPassingRefusalIsNoLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true}, Tick: -1}, 2, nil)
		authority := &lossy{Authority: r.cfg.Authority}
		busy := time.Now().Add(5 * time.Minute)
		r.with(t, func(cfg *rotate.Config) { cfg.Authority = &maintained{lossy: authority, until: busy} })
		authority.reply.Store(true)
		if _, err := r.rotator.Rotate(t.Context()); err != nil || time.Now().Before(busy) {
			t.Errorf("after %v: %v", time.Until(busy), err)
		}
		r.settled(t)
	})
}

// maintained loses a reply, and is under maintenance afterwards.
type maintained struct {
	*lossy
	until time.Time
}

func (a *maintained) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method == "private/reset_api_key" && !a.reply.Load() && time.Now().Before(a.until) {
		return dst, &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: errDown}
	}
	return a.lossy.CallRaw(ctx, method, params, dst)
}

// TestLeaseOfAFastClock: a rotator whose clock is an hour ahead has died with the lease. Nobody waits for an hour.
func TestLeaseOfAFastClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.record = &rotate.Record{
			Version: 1, KeyID: keyID, ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
			Lease: &rotate.Lease{Owner: "fast", Epoch: 1, Expires: time.Now().Add(time.Hour + time.Minute)},
		}
		w.version = 1
		p := newProcess(w)
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		settled(t, p)
	})
}

// TestRescueTokenIsKeptUntilStored: a token was exchanged for the next one, which the store does not take. It is the only authority that
// is left, and must not be dropped for the dead one that the store still has.
func TestRescueTokenIsKeptUntilStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		for _, s := range p.sessions {
			s.token = -1 // but for the first, their authority has ended
		}
		p.sessions[0].token = 0
		p.reply = func(raw string) string {
			p.lost = p.resets == 1
			p.sessions[0].token = -1
			return raw
		}
		p.refuse = func(map[string]any) (string, error) {
			if p.resets > 0 && !p.isRescue(p.record.Intent.Rescue) {
				t.Error("a token is used, and the store has a dead one")
			}
			return "", nil
		}
		refused := 0
		p.save = func(rotate.Record) error {
			if p.rescues > 1 && refused < 3 {
				refused++
				return errDown
			}
			return nil
		}
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if err != nil || report.Outcome != rotate.Rotated || refused != 3 {
			t.Errorf("%v, %v, %d saves were refused", report, err, refused)
		}
		settled(t, p)
	})
}
