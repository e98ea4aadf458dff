package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// tardy is a second key that is ready only after a while, each time.
type tardy struct {
	*secondKey
	ready time.Duration
}

func (a *tardy) WaitReady(context.Context) error {
	<-time.After(a.ready)
	return nil
}

// stampedNow fails the test unless the store says that a reset leaves now, and the lease has its full time.
func (p *process) stampedNow(t *testing.T) func(map[string]any) (string, error) {
	t.Helper()
	return func(map[string]any) (string, error) { // under the world's lock
		now := time.Now()
		if sent := p.record.Intent.Sent; !sent.Equal(now) {
			t.Errorf("a reset leaves, and the store says that it left %v ago", now.Sub(sent))
		}
		if left := p.record.Lease.Expires.Sub(now); left != time.Minute {
			t.Errorf("the lease has %v left", left)
		}
		return "", nil
	}
}

// TestStampIsOfTheSending: whoever recovers after a crash counts from what the store says of when a reset left. The authority may have been
// waited for by then, and a rescue token redeemed.
func TestStampIsOfTheSending(t *testing.T) {
	t.Run("waits for the authority", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.refuse = p.stampedNow(t)
			authority := &tardy{secondKey: newSecondKey(p), ready: 25 * time.Second}
			if _, err := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority }).Rotate(t.Context()); err != nil {
				t.Error(err)
			}
			settled(t, p)
		})
	})
	t.Run("looks for the key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(withRescue())
			p.record.KeyID, p.sessions = 0, nil
			p.refuse = p.stampedNow(t)
			authority := &tardy{secondKey: newSecondKey(p), ready: 25 * time.Second}
			if _, err := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority }).Recover(t.Context()); err != nil {
				t.Error(err)
			}
			settled(t, p)
		})
	})
	t.Run("redeems the rescue token", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(withRescue())
			p.sessions = nil
			p.refuse = p.stampedNow(t)
			if _, err := slowToRedeem(t, p, 25*time.Second).Recover(t.Context()); err != nil {
				t.Error(err)
			}
			settled(t, p)
		})
	})
}

// withRescue is a world in which a process has died whose reset was answered to nobody, and has left a rescue token.
func withRescue() *world {
	w := newWorld()
	w.resets, w.secret, w.version = 1, "CANARY-secret-2", 1
	w.record = &rotate.Record{
		Version: 1, KeyID: keyID, ClientID: clientID,
		Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
		Intent:  &rotate.Intent{ID: "dead", Sent: time.Now().Add(-time.Hour), Rescue: w.nextRescue()},
	}
	return w
}

// slowToRedeem is a rotator whose connections of its own take their time.
func slowToRedeem(t *testing.T, p *process, takes time.Duration) *rotate.Rotator {
	t.Helper()
	r := p.rotator(t, nil)
	outside := p.outside()
	outside.Redeem = func(ctx context.Context, token session.Secret) (rotate.Closer, session.Secret, error) {
		<-time.After(takes)
		return p.redeem(ctx, token)
	}
	rotate.SetOutside(r, outside)
	return r
}

// TestNoResetWithoutTheLease: a lease that was lost while the authority was waited for is noticed before the reset leaves.
func TestNoResetWithoutTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		authority := &tardy{secondKey: newSecondKey(p), ready: 25 * time.Second}
		time.AfterFunc(40*time.Second, func() { // 25 s are the preflight's
			p.mu.Lock()
			defer p.mu.Unlock()
			p.version++
			p.record.Version = p.version
			p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 9, Expires: time.Now().Add(time.Minute)}
		})
		_, err := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority }).Rotate(t.Context())
		if !errors.Is(err, rotate.ErrLeaseLost) || p.resets != 0 {
			t.Errorf("%v after %d resets", err, p.resets)
		}
	})
}

// TestNoResetWithoutTheLeaseByRescue: nor is it sent if the lease was lost while the rescue token was redeemed. The next token is stored all
// the same.
func TestNoResetWithoutTheLeaseByRescue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(withRescue())
		p.sessions = nil
		lost := false
		p.refuse = func(map[string]any) (string, error) {
			if owner := p.record.Lease.Owner; owner == "another" {
				t.Error("a reset leaves under the lease of another")
			}
			return "", nil
		}
		time.AfterFunc(10*time.Second, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			lost = true
			p.version++
			p.record.Version = p.version
			p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 9, Expires: time.Now().Add(time.Minute)}
		})
		if _, err := slowToRedeem(t, p, 25*time.Second).Recover(t.Context()); err != nil || !lost {
			t.Errorf("%v, lost %v", err, lost)
		}
		settled(t, p)
	})
}

// heldBack is an authority whose Limits hold a reset back, and whose connection ends when it was sent.
type heldBack struct {
	*secondKey
	held time.Duration
}

func (a *heldBack) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method != "private/reset_api_key" {
		return a.secondKey.CallRaw(ctx, method, params, dst)
	}
	<-time.After(a.held)
	if _, err := json.Marshal(params); err != nil { // its frame is made
		return dst, err
	}
	<-time.After(time.Second)
	return dst, &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown}
}

// TestQuarantineCountsFromTheFrame: a reset may be executed as long as the quarantine lasts after it has left, not after somebody wanted it
// to leave.
func TestQuarantineCountsFromTheFrame(t *testing.T) {
	for _, held := range []time.Duration{0, 10 * time.Second, 30 * time.Second} {
		t.Run(held.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				authority := &heldBack{newSecondKey(p), held}
				began := time.Now()
				var cleared time.Duration
				p.save = func(r rotate.Record) error {
					if r.Intent == nil && cleared == 0 && p.version > 2 {
						cleared = time.Since(began)
					}
					return nil
				}
				_, err := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority }).Rotate(t.Context())
				if !errors.Is(err, rotate.ErrNotExecuted) {
					t.Errorf("got %v", err)
				}
				if want := held + time.Minute; cleared != want {
					t.Errorf("the intent was cleared after %v, want %v", cleared, want)
				}
				settled(t, p)
			})
		})
	}
}
