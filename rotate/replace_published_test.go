package rotate_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// resetByHand has a person reset the bench's key, and publish its new secret.
func (b *bench) resetByHand(t *testing.T, admin *session.Session) {
	t.Helper()
	var answer struct {
		ClientSecret string `json:"client_secret"`
	}
	if err := admin.Call(t.Context(), "private/reset_api_key", map[string]int64{"id": b.key.ID}, &answer); err != nil {
		t.Error(err)
	}
	next := b.keyring.Current()
	next.Secret, next.Generation = session.NewSecret([]byte(answer.ClientSecret)), next.Generation+1
	if err := b.keyring.Publish(next); err != nil {
		t.Error(err)
	}
}

// TestReplaceAfterPublish: a secret that a person has published is tried and stored, and then the key is replaced: by one Rotate, and by a
// Run in whose last moment before the rotation it came.
func TestReplaceAfterPublish(t *testing.T) {
	for name, replace := range map[string]func(context.Context, *rotate.Rotator, func()) error{
		"Rotate": func(ctx context.Context, r *rotate.Rotator, publish func()) error {
			publish()
			_, err := r.Rotate(ctx)
			return err
		},
		"Run": func(ctx context.Context, r *rotate.Rotator, publish func()) error {
			ctx, stop := context.WithTimeout(ctx, 90*time.Minute)
			defer stop()
			published := false
			err := r.Run(ctx, rotate.Schedule{Interval: time.Hour, Jitter: -1, Condition: func(context.Context) error {
				if !published {
					publish()
				}
				published = true
				return nil
			}})
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				admin, leave := b.admin(t, template)
				defer leave()
				var d diary
				r := b.second(t, template, func(c *rotate.Config) { c.Hooks.Finished = d.keep })
				err := replace(t.Context(), r, func() { b.resetByHand(t, admin) })
				if err := errors.Join(err, r.Close(t.Context())); err != nil {
					t.Error(err)
				}
				if len(d.of(rotate.Recovered)) != 1 || len(d.of(rotate.Rotated)) != 1 {
					t.Errorf("reports: %v", d.reports)
				}
				b.replaced(t, 3)
				if keys := keysAt(t, admin); len(keys) != 2 || slices.Contains(keys, 1) {
					t.Errorf("the account has the keys %d", keys)
				}
			})
		})
	}
}
