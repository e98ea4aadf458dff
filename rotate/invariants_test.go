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
	"github.com/holdfast-ws/holdfast/session"
)

// watchR1 fails the test if a secret is sent to the exchange or published before the store has acknowledged it.
func watchR1(t *testing.T, r *rig) (used *atomic.Int64) {
	t.Helper()
	used = &atomic.Int64{}
	r.onFrame(func(f deribittest.Frame) {
		if p, ok := authOf(t, f); ok && p.ClientID == r.key.ClientID {
			used.Add(1)
			if !r.store.has(p.Secret) {
				t.Error("a secret was sent that is not stored")
			}
		}
	})
	first := r.keyring.Current().Generation
	t.Cleanup(r.keyring.Subscribe(func(c session.Credentials) {
		if c.Generation > first && !r.store.now().Current.Secret.Equal(c.Secret) {
			t.Error("a secret was published that is not the store's current one")
		}
	}))
	return used
}

// TestR1DurableFirst: where every write takes its time, no secret is verified, published, acknowledged or used before its write
// was acknowledged.
// Asks: vault#6042, vault#8782, aws-secrets-manager-rotation-lambdas#168.
func TestR1DurableFirst(t *testing.T) {
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Reset: behaviour}, 4, nil)
				r.store.took = 500 * time.Millisecond
				used := watchR1(t, r)
				r.with(t, func(cfg *rotate.Config) {
					cfg.Hooks.AfterReset = func(_ context.Context, key rotate.APIKey) {
						if !r.store.now().Current.Secret.Equal(key.Secret) {
							t.Error("a secret was acknowledged that is not the store's current one")
						}
					}
				})
				for range 3 {
					r.rotate(t)
					r.settled(t)
				}
				if got := used.Load(); got < 3*5 {
					t.Errorf("only %d authentications were seen", got)
				}
			})
		})
	}
}

// TestR1Unsaved: a secret that the store does not take is shown to OnUnsaved alone. Nobody uses it for as long as that lasts, not
// even a session that has lost its connection.
func TestR1Unsaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true}}, 4, nil)
		used := watchR1(t, r)
		var healed atomic.Bool
		r.store.fault = func(_ context.Context, record rotate.Record) error {
			if len(record.Candidates) > 0 && !healed.Load() {
				return errDown
			}
			return nil
		}
		var shown atomic.Int64
		r.with(t, func(cfg *rotate.Config) {
			cfg.Hooks.OnUnsaved = func(_ context.Context, key rotate.APIKey, err error) {
				shown.Add(1)
				if !key.Secret.Equal(r.secret()) || r.store.has(key.Secret) || !errors.Is(err, errDown) {
					t.Errorf("shown: %v, %v", key, err)
				}
			}
		})
		done := make(chan error, 1)
		go func() {
			_, err := r.rotator.Rotate(t.Context())
			done <- err
		}()
		<-time.After(time.Minute)
		if err := r.net.cut(); err != nil {
			t.Fatal(err)
		}
		before := used.Load()
		<-time.After(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("acknowledged, and not stored: %v", err)
		default:
		}
		if used.Load() != before || shown.Load() != 1 || r.keyring.Current().Generation != 1 {
			t.Errorf("%d used it, it was shown %d times, published: %v", used.Load()-before, shown.Load(), r.keyring.Current())
		}
		healed.Store(true)
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.settled(t)
	})
}

// TestR1CrashBeforeTheAcknowledgement: a process that ends while the store has not answered has used nothing, and says what is lost.
func TestR1CrashBeforeTheAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{}, 4, nil)
		used := watchR1(t, r)
		r.store.fault = func(ctx context.Context, record rotate.Record) error {
			if len(record.Candidates) > 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		done := make(chan error, 1)
		go func() {
			_, err := r.rotator.Rotate(t.Context())
			done <- err
		}()
		<-time.After(time.Minute)
		kill, cancel := context.WithCancel(t.Context())
		cancel()
		closed, rotated := r.rotator.Close(kill), <-done
		for _, err := range []error{closed, rotated} {
			lost, ok := errors.AsType[*rotate.UnsavedError](err)
			if !ok || !lost.Key.Secret.Equal(r.secret()) {
				t.Errorf("error: %v", err)
			}
		}
		record := r.store.now()
		if used.Load() != 0 || record.Intent == nil || len(record.Candidates) != 0 || r.keyring.Current().Generation != 1 {
			t.Errorf("%d authentications, stored: %+v", used.Load(), record)
		}
	})
}
