package rotate_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// paused is an authority whose process stands still just before it sends the reset.
type paused struct {
	*fakeSession
	meanwhile func()
}

func (p *paused) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method == "private/reset_api_key" {
		p.meanwhile()
	}
	return p.fakeSession.CallRaw(ctx, method, params, dst)
}

// TestCandidateOfAPausedRotatorIsFound: a rotator is paused before its reset; another takes its lease, finds the old secret good and
// clears the intent. The first wakes up, resets the key, stores the secret, and ends before it can verify it. The store has the secret
// that the exchange takes: the next process must find it.
func TestCandidateOfAPausedRotatorIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		first := newProcess(w)
		authority := &paused{fakeSession: first.sessions[0]}
		authority.meanwhile = func() {
			first.mu.Lock()
			first.record.Lease.Expires = time.Now()
			first.mu.Unlock()
			if _, err := newProcess(w).rotator(t, nil).Recover(t.Context()); err != nil {
				t.Error(err)
			}
			w.try = func() error { return errDown } // nothing can be verified from now on
		}
		r := first.rotator(t, func(cfg *rotate.Config) { cfg.Authority, cfg.ResetTimeout = authority, 5*time.Minute })
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(2 * time.Minute) // the other waits until it takes the reset to be impossible
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err == nil {
			t.Error("the rotation could not be finished, and says nothing")
		}
		w.try = nil
		if !w.isStored(session.NewSecret([]byte(w.secret))) || w.resets != 1 {
			t.Fatalf("%d resets, the secret is not stored", w.resets)
		}
		w.broken = nil // R9: no client can keep a process that was paused from resetting the key
		next := newProcess(w)
		report, err := next.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered {
			t.Errorf("recover: %v, %v", report.Outcome, err)
		}
		settled(t, next)
	})
}
