package rotate

import (
	"context"
	"fmt"
	"time"
)

// Hooks are called in the course of a rotation: never under a lock, each on a goroutine of its own, bounded by
// Config.HookTimeout, and with panics recovered. A hook that overstays is left behind: the rotation goes on. A nil hook is
// skipped. What hooks but BeforeReset fail with is logged.
type Hooks struct {
	// BeforeReset may veto: if it fails, nothing is reset.
	BeforeReset func(ctx context.Context, plan Plan) error
	// AfterReset is given the new key when its secret is stored, verified and published.
	AfterReset func(ctx context.Context, key APIKey)
	// OnUnsaved is given the new key when its secret cannot be stored, so that it can be put elsewhere. The Rotator tries on.
	// It is given a key too that the exchange has reset in the place of this one: that is not stored at all.
	OnUnsaved func(ctx context.Context, key APIKey, err error)
	// BeforeReauthenticate and AfterReauthenticate surround each session's re-authentication, several at once.
	BeforeReauthenticate func(ctx context.Context, session string)
	AfterReauthenticate  func(ctx context.Context, report SessionReport)
	// Finished is given each report, of failures too. One Rotate may have several: where a secret is published just before a replacement,
	// that attempt's is Aborted, a recovery's follows, and then that of the replacement which is made after all.
	Finished func(ctx context.Context, report Report)
}

// Plan is what a rotation is about to do.
type Plan struct {
	ID         string
	KeyID      int64
	ClientID   string
	Generation uint64   // of the secret that will end
	Sessions   []string // that will re-authenticate
}

// guard runs user code on its own goroutine, bounded and recovered.
func (r *Rotator) guard(ctx context.Context, name string, limit time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	r.spawn(func() {
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("panicked with a %T", v) // its text could hold anything
			}
		}()
		done <- fn(ctx)
	})
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return &HookError{Hook: name, Err: err}
	}
	return nil
}

// notify runs a hook whose failure changes nothing.
func (r *Rotator) notify(ctx context.Context, name string, fn func(context.Context)) {
	err := r.guard(ctx, name, r.cfg.HookTimeout, func(ctx context.Context) error {
		fn(ctx)
		return nil
	})
	if err != nil {
		r.warn(ctx, "rotation hook", err)
	}
}
