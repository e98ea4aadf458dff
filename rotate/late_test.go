package rotate_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// slow is an authority whose answers take their time.
type slow struct {
	*fakeSession
	takes time.Duration
}

func (a *slow) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	raw, err := a.fakeSession.CallRaw(ctx, method, params, dst)
	if method != "private/reset_api_key" || err != nil {
		return raw, err
	}
	select {
	case <-time.After(a.takes):
		return raw, nil
	case <-ctx.Done():
		return dst, ctx.Err()
	}
}

// TestF17LateAnswer has the answer to a reset come when it is no longer waited for, over a connection that lives: it is taken, and nothing
// else has to be done.
func TestF17LateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		authority := &slow{p.sessions[0], 40 * time.Second}
		began := time.Now()
		report, err := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority, cfg.Stagger = authority, -1 }).Rotate(t.Context())
		if err != nil || report.Outcome != rotate.Rotated || p.resets != 1 {
			t.Errorf("%v, %v after %d resets", report, err, p.resets)
		}
		if took := time.Since(began); took != 40*time.Second {
			t.Errorf("it took %v", took)
		}
		settled(t, p)
	})
}

// TestF20SpareStore has the store refuse the new secret until the process is killed. All tokens are dead, and nobody could reset the key:
// the second store has the one copy.
func TestF20SpareStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.revokes = true
		w.save = func(r rotate.Record) error {
			if len(r.Candidates) > 0 {
				return errDown
			}
			return nil
		}
		spare := memstore.New()
		withSpare := func(cfg *rotate.Config) { cfg.Spare = spare }
		r := newProcess(w).rotator(t, withSpare)
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(5 * time.Minute)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Close(ended); err == nil {
			t.Error("Close says nothing of the secret that is not stored")
		}
		if err := <-done; !isA[*rotate.UnsavedError](err) {
			t.Errorf("got %v", err)
		}

		w.save = nil
		w.broken = nil // R10: this world does not know of the second store
		next := newProcess(w)
		report, err := next.rotator(t, withSpare).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || w.resets != 1 {
			t.Errorf("%v, %v after %d resets", report, err, w.resets)
		}
		settled(t, next)
		kept, err := spare.Load(t.Context())
		if err != nil || !kept.Current.Secret.Equal(session.NewSecret([]byte(w.secret))) {
			t.Errorf("the second store: %v", err)
		}
	})
}
