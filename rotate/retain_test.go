package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReplacedSecretIsKept: what a person published over the store's secret takes its place there, and the other stays as a
// candidate until one has worked.
func TestReplacedSecretIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := session.NewSecret([]byte(firstWord))
		w := newWorld()
		w.version = 1
		w.record = &rotate.Record{Version: 1, KeyID: keyID, ClientID: clientID, Current: rotate.Candidate{Secret: old, Generation: 1}}
		w.secret = "CANARY-by-hand"
		byHand := session.NewSecret([]byte(w.secret))
		w.list = func(map[string]any) (string, error) { return "[]", nil } // the preflight fails, and nothing is reset
		began := time.Now()
		w.try = func() error { // nobody knows which of the two works
			if time.Since(began) < time.Minute {
				return errDown
			}
			return nil
		}
		p := newProcess(w)
		p.keyring = rotate.NewKeyring(session.Credentials{ClientID: clientID, Secret: byHand, Generation: 5})
		done := make(chan error, 1)
		go func() {
			_, err := p.rotator(t, nil).Rotate(t.Context())
			done <- err
		}()
		<-time.After(30 * time.Second)
		p.mu.Lock()
		if current := p.record.Current; !current.Secret.Equal(byHand) || current.Generation != 5 || !p.isStored(old) || p.record.Intent == nil {
			t.Errorf("current is %v of generation %d; the replaced one is stored: %t, intent: %v",
				current.Secret.Fingerprint(), current.Generation, p.isStored(old), p.record.Intent)
		}
		p.mu.Unlock()
		if err := <-done; err == nil {
			t.Error("a rotation without its key succeeded")
		}
		if current := p.record.Current; !current.Secret.Equal(byHand) || p.record.Intent != nil {
			t.Errorf("in the end current is %v, intent: %v", current.Secret.Fingerprint(), p.record.Intent)
		}
	})
}

// forgetful is a store whose first Save of a candidate happens, and then fails.
type forgetful struct {
	rotate.Store
	t      *testing.T
	failed bool
}

// Save implements rotate.Store.
func (s *forgetful) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	for i, c := range r.Candidates {
		for _, other := range r.Candidates[:i] {
			if c.Secret.Equal(other.Secret) {
				s.t.Error("a record has the same secret twice")
			}
		}
	}
	version, err := s.Store.Save(ctx, r, ifVersion)
	if err == nil && len(r.Candidates) > 0 && !s.failed {
		s.failed = true
		return 0, errDown
	}
	return version, err
}

// TestSaveThatHappenedAndFailed: the secret is not added a second time.
func TestSaveThatHappenedAndFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		store := &forgetful{Store: &memoryStore{p}, t: t}
		report, err := p.rotator(t, func(c *rotate.Config) { c.Store = store }).Rotate(t.Context())
		if err != nil || report.NewGeneration != 2 || !store.failed {
			t.Fatalf("%v, %v, failed %t", report, err, store.failed)
		}
		settled(t, p)
	})
}

// TestLeaseOutlastsTheReset: a lease that ended before the answer could come would let another rotator begin.
func TestLeaseOutlastsTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 2 * time.Minute
		p := newProcess(newWorld())
		var left time.Duration
		p.refuse = func(map[string]any) (string, error) { // is asked just before the reset
			left = time.Until(p.record.Lease.Expires)
			return "", nil
		}
		if _, err := p.rotator(t, func(c *rotate.Config) { c.ResetTimeout = wait }).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left < 2*wait {
			t.Errorf("the lease lasts %v, and the reset may take %v", left, wait)
		}
	})
}

// amnesiac is a store that takes what it is given and, once preflight has saved, gives back something else.
type amnesiac struct {
	rotate.Store
	saves int
}

// Save implements rotate.Store.
func (s *amnesiac) Save(ctx context.Context, r rotate.Record, ifVersion uint64) (uint64, error) {
	s.saves++
	return s.Store.Save(ctx, r, ifVersion)
}

// Load implements rotate.Store.
func (s *amnesiac) Load(ctx context.Context) (rotate.Record, error) {
	r, err := s.Store.Load(ctx)
	if s.saves == 3 { // the first record, the lease, the preflight's
		r.Current.Secret = session.NewSecret([]byte("CANARY-other"))
	}
	return r, err
}

// TestStoreThatDoesNotKeep is found before the reset: a secret that is stored there would be lost.
func TestStoreThatDoesNotKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		_, err := p.rotator(t, func(c *rotate.Config) { c.Store = &amnesiac{Store: c.Store} }).Rotate(t.Context())
		failed, ok := errors.AsType[*rotate.PreflightError](err)
		if !ok || failed.Check != "store" || !errors.Is(err, rotate.ErrCorrupt) || p.resets != 0 {
			t.Errorf("%v after %d resets, want the preflight to fail", err, p.resets)
		}
	})
}
