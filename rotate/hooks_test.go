package rotate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestHooks: each is called in its place.
func TestHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions = p.sessions[:1]
		p.sessions[0].channels = []session.ChannelStats{{Channel: "book.X.raw", Epoch: 1, Breaks: 2}}
		var called []string
		report, err := p.rotator(t, func(c *rotate.Config) {
			c.Hooks = rotate.Hooks{
				BeforeReset: func(context.Context, rotate.Plan) error {
					called = append(called, "before reset")
					return nil
				},
				AfterReset: func(_ context.Context, key rotate.APIKey) {
					called = append(called, "after reset")
					if !key.Secret.Equal(p.keyring.Current().Secret) || !slices.Equal(key.MaxScope, []string{"account:read_write", "trade:read"}) {
						t.Errorf("key: %+v", key)
					}
				},
				BeforeReauthenticate: func(_ context.Context, name string) { called = append(called, "before "+name) },
				AfterReauthenticate: func(_ context.Context, r rotate.SessionReport) {
					called = append(called, "after "+r.Name)
					if len(r.Channels) != 1 || !r.Channels[0].Confirmed || r.Channels[0].Breaks != 0 {
						t.Errorf("channels: %+v", r.Channels)
					}
				},
				Finished: func(_ context.Context, r rotate.Report) { called = append(called, "finished "+string(r.Outcome)) },
			}
		}).Rotate(t.Context())
		if err != nil || len(report.Sessions) != 1 {
			t.Fatal(report, err)
		}
		want := []string{"before reset", "after reset", "before s0", "after s0", "finished rotated"}
		if !slices.Equal(called, want) {
			t.Errorf("called %v", called)
		}
	})
}

// TestHooksThatMisbehave: a hook that panics, overstays or calls the Rotator cannot stop a rotation that has begun.
func TestHooksThatMisbehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		release := make(chan struct{})
		var r *rotate.Rotator
		var inner sync.WaitGroup
		inner.Add(1)
		r = p.rotator(t, func(c *rotate.Config) {
			c.Hooks = rotate.Hooks{
				AfterReset:           func(context.Context, rotate.APIKey) { panic("CANARY in a panic") },
				BeforeReauthenticate: func(context.Context, string) { <-release },
				AfterReauthenticate:  func(context.Context, rotate.SessionReport) { panic(errDown) },
				Finished: func(ctx context.Context, _ rotate.Report) {
					defer inner.Done()
					if _, err := r.Rotate(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Rotate within its own hook: %v", err)
					}
				},
			}
		})
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
		inner.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Close(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("Close while hooks overstay: %v", err)
		}
		close(release)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestHookFailures: before the reset a hook that fails in whatever way is a veto, and says which it was.
func TestHookFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, hook := range map[string]func(context.Context, rotate.Plan) error{
			"panicked with a string": func(context.Context, rotate.Plan) error { panic("CANARY") },
			"deadline exceeded": func(ctx context.Context, _ rotate.Plan) error {
				<-ctx.Done()
				return ctx.Err()
			},
		} {
			p := newProcess(newWorld())
			_, err := p.rotator(t, func(c *rotate.Config) { c.Hooks.BeforeReset = hook }).Rotate(t.Context())
			failed, ok := errors.AsType[*rotate.HookError](err)
			if !ok || failed.Hook != "BeforeReset" || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: %v", name, err)
			}
			if p.resets != 0 {
				t.Error("the key was reset")
			}
		}
	})
}
