package rotate_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// What small mistakes in the code would change, and no other test noticed.

func TestIntentOfAnotherIsNotWithdrawn(t *testing.T) {
	t.Parallel()
	record := rotate.Record{Intent: &rotate.Intent{ID: "another"}}
	if err := record.Withdraw("mine"); !errors.Is(err, rotate.ErrNothingToDo) || record.Intent == nil {
		t.Errorf("%v, the intent is %v", err, record.Intent)
	}
	if err := record.Withdraw("another"); err != nil || record.Intent != nil {
		t.Errorf("%v, the intent is %v", err, record.Intent)
	}
}

// TestConflictIsTriedAgain has each first Save of a record lose against somebody else's.
func TestConflictIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		lost := map[uint64]bool{}
		p.save = func(r rotate.Record) error {
			if r.Version == 0 || lost[r.Version] {
				return nil
			}
			lost[r.Version] = true
			return rotate.ErrConflict
		}
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil || len(lost) < 5 {
			t.Errorf("%v, after %d conflicts", err, len(lost))
		}
		settled(t, p)
	})
}

// TestF35RecentStampIsWaitedFor: a process has died just after it armed a reset. The current secret works, but the reset may be on its way.
func TestF35RecentStampIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := newWorld()
		w.version = 1
		w.record = &rotate.Record{
			Version: 1, KeyID: keyID, ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
			Intent: &rotate.Intent{ID: "dead", Sent: began.Add(-20 * time.Second)},
		}
		var cleared time.Duration
		w.save = func(r rotate.Record) error {
			if r.Intent == nil && cleared == 0 {
				cleared = time.Since(began)
			}
			return nil
		}
		p := newProcess(w)
		if _, err := p.rotator(t, nil).Recover(t.Context()); err != nil || cleared < 40*time.Second || cleared > 41*time.Second {
			t.Errorf("%v, and the intent was cleared after %v", err, cleared)
		}
		settled(t, p)
	})
}

// TestF24OnlyTheSecretsRefusalCounts: an exchange that does not log anybody in says nothing about the secret.
func TestF24OnlyTheSecretsRefusalCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		began := time.Now()
		p.try = func() error {
			if time.Since(began) < 5*time.Minute {
				return &session.AuthError{ClientID: clientID, Err: refusal(session.CodeMaintenance, "")}
			}
			return nil
		}
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil || p.resets != 1 {
			t.Errorf("%v, after %d resets", err, p.resets)
		}
		settled(t, p)
	})
}

// TestLockOutRaisesTheIntent: somebody else has reset the key. No rotation was under way, but whoever looks into the store must know.
func TestLockOutRaisesTheIntent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.secret = "CANARY-foreign"
		_, err := r.Recover(t.Context())
		if !errors.Is(err, rotate.ErrForeignReset) || p.record.Intent == nil || !p.keyring.IsShut() {
			t.Errorf("%v, the intent is %v, the gate is shut: %t", err, p.record.Intent, p.keyring.IsShut())
		}
	})
}

// TestS19RescueTokenIsGivenUp: a token that can reset the key is good for as long as a rotation is under way, and no longer.
func TestS19RescueTokenIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.rescues != 1 || p.rescue != "" {
			t.Errorf("%d tokens were minted; one is left: %t", p.rescues, p.rescue != "")
		}
	})
}
