package rotate_test

import (
	"context"
	"errors"
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

// TestCloseAwaitsTheAnswer has a program end while the answer to a reset is on its way that has ended all tokens: nobody could reset the key
// again, so that the answer is waited for.
func TestCloseAwaitsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.revokes = true
		p := newProcess(w)
		p.sessions = p.sessions[:1]
		authority := &slow{p.sessions[0], 40 * time.Second}
		r := p.rotator(t, func(cfg *rotate.Config) { cfg.Sessions = rotate.Fleet(authority) })
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(20 * time.Second) // the reset's 15 s are over
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Rotate: %v", err)
		}
		if took := time.Since(began); took != 40*time.Second {
			t.Errorf("it took %v", took)
		}
		settled(t, p)
	})
}

// TestCloseDoesNotAwaitForEver: whose ctx ends is not kept by an answer that may still come.
func TestCloseDoesNotAwaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		authority := &slow{p.sessions[0], 40 * time.Second}
		r := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority })
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(20 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		if err := r.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := <-done; !isA[*rotate.UnknownOutcomeError](err) {
			t.Errorf("Rotate: %v", err)
		}
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
