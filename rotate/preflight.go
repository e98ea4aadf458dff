package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	methodTime  = "public/get_time"
	methodList  = "private/list_api_keys"
	methodReset = "private/reset_api_key"

	methodLogout = "private/logout"
)

// maxSkew is far below the 60 s for which a signature is valid.
const maxSkew = 5 * time.Second

// errReplacing keeps a key from being reset that is being replaced.
var errReplacing = errors.New("rotate: a second key is taking the place of this one: call Recover, which finishes that")

// errAuthority is a rotation without anybody who could send the reset.
var errAuthority = errors.New("nobody to send the reset: set Config.Authority or have Config.Sessions return one")

// check checks all that can be checked before the reset.
func (r *rotation) check(ctx context.Context) core.EventKind {
	if r.ends != 0 && r.ends != r.old.Generation {
		r.err = errTurnTaken
		return core.CheckFailed
	}
	if r.err = r.step(ctx, StepPreflight, r.preflight); r.err != nil {
		return core.CheckFailed
	}
	return core.Checked
}

func (r *rotation) preflight(ctx context.Context) error {
	return r.runChecks(ctx, []check{
		{"sessions", r.checkSessions},
		{"authority", r.checkAuthority},
		{"clock", r.checkClock},
		{"connection", r.checkThrowaway},
		{"key", r.checkKey},
		{"store", r.checkStore},
	})
}

// check is one of a preflight's.
type check struct {
	name string
	fn   func(context.Context) error
}

func (r *rotation) runChecks(ctx context.Context, checks []check) error {
	for _, check := range checks {
		if r.isClosing() {
			return ErrClosed
		}
		if err := check.fn(ctx); err != nil {
			return &PreflightError{Check: check.name, Err: err}
		}
	}
	return nil
}

func (r *rotation) checkSessions(ctx context.Context) error {
	if len(r.authorities) == 0 {
		return errAuthority
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	for _, s := range r.fleet {
		if err := s.WaitReady(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.Name(), err)
		}
	}
	r.warnOfCancels(ctx)
	return r.checkNames()
}

// checkAuthority refuses a rotation in which a lost answer could lock the key out.
func (r *rotation) checkAuthority(ctx context.Context) error {
	if err := r.waitFor(ctx, r.authorities[0]); err != nil {
		return err
	}
	if r.isIndependent(r.authorities[0]) || r.cfg.TokensSurvive || r.cfg.AcceptLockout {
		return nil
	}
	return ErrNoRecoveryAuthority
}

// waitFor waits until an authority is ready.
func (r *rotation) waitFor(ctx context.Context, a Authority) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	return a.WaitReady(ctx)
}

// checkClock keeps a clock that is off from looking like a wrong secret.
func (r *rotation) checkClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ResetTimeout)
	defer cancel()
	before := time.Now()
	millis, err := rpc.Call[int64](ctx, r.authorities[0], methodTime, nil)
	if err != nil {
		return err
	}
	middle := before.Add(time.Since(before) / 2)
	skew := middle.Sub(time.UnixMilli(millis))
	where := "ahead of"
	if skew < 0 {
		where = "behind"
	}
	if skew.Abs() > maxSkew {
		return fmt.Errorf("this machine is %v %s the exchange: set its clock", skew.Abs().Round(time.Millisecond), where)
	}
	return nil
}

// checkThrowaway opens a connection like the one on which the new secret will be tried: after the reset it would be too late
// to find out that none can be had.
func (r *rotation) checkThrowaway(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	if err := r.outside.reach(ctx); err != nil {
		return fmt.Errorf("Config.Throwaway: %w", r.crowded(err))
	}
	return nil
}

// checkKey finds the key and sees that a reset is good for it.
func (r *rotation) checkKey(ctx context.Context) error {
	if r.isAsymmetric() {
		return errNoReset
	}
	keys, err := r.listKeys(ctx, keyParams{unasked: r.keyID != 0})
	if err != nil {
		return err
	}
	if keys == nil {
		return nil // the second factor is kept for the reset
	}
	clientID := r.report.ClientID
	for _, key := range keys {
		if key.ClientID != clientID {
			continue
		}
		switch {
		case r.keyID != 0 && r.keyID != key.ID:
			return fmt.Errorf("client id %s belongs to key %d, not %d", clientID, key.ID, r.keyID)
		case key.PublicKey != "":
			return fmt.Errorf("key %d: %w", key.ID, errNoReset)
		case !key.Enabled:
			return fmt.Errorf("key %d is disabled: enable it first", key.ID)
		}
		r.keyID = key.ID
		return nil
	}
	return fmt.Errorf("the authority sees no key with client id %s among %d", clientID, len(keys))
}

// listKeys returns nil without error only if a second factor is wanted and params say that nobody is asked for one.
func (r *rotation) listKeys(ctx context.Context, params keyParams) ([]APIKey, error) {
	raw, err := r.manage(ctx, methodList, params, nil)
	if err != nil || raw == nil {
		return nil, err
	}
	defer clear(raw)
	keys, _, err := decodeKeys(raw) // a challenge was answered
	return keys, err
}

// checkStore proves that the store takes and keeps what it is given: a reset would be the wrong moment to find out.
func (r *rotation) checkStore(ctx context.Context) error {
	saved, err := r.journal.update(ctx, func(record *Record) error {
		record.KeyID = r.keyID
		return record.renew(r.holder, time.Now())
	})
	if err != nil {
		return err
	}
	record, err := r.journal.load(ctx)
	switch {
	case err != nil:
		return err
	case record.Version == saved.Version && !record.Current.Secret.Equal(saved.Current.Secret):
		return fmt.Errorf("%w: what was saved is not what was loaded", ErrCorrupt)
	case !record.heldBy(r.holder):
		return ErrLeaseLost
	}
	return nil
}

// intend writes down that the key will be reset, and who could do so again.
func (r *rotation) intend(ctx context.Context) core.EventKind {
	r.err = r.step(ctx, StepIntent, func(ctx context.Context) error {
		if err := r.mintRescue(ctx); err != nil {
			return err
		}
		_, err := r.journal.update(ctx, func(record *Record) error {
			record.raise(r.id, time.Now()).Rescue = r.rescue
			return record.renew(r.holder, time.Now())
		})
		return err
	})
	if r.err != nil {
		return core.NotIntended
	}
	return core.Intended
}

// arm is the last moment before a reset. The first time the hook may veto.
func (r *rotation) arm(ctx context.Context) core.EventKind {
	if r.err = r.pauseBefore(ctx, core.Arm, r.closing); r.err != nil {
		return core.Stopped
	}
	if r.machine.Sends == 0 && !r.machine.Doubt {
		r.err = r.beforeReset(ctx)
	}
	if r.err == nil && r.isClosing() {
		r.err = ErrClosed
		return core.Stopped
	}
	if r.err == nil {
		r.err = r.stamp(ctx)
	}
	if r.err != nil {
		return core.NotArmed
	}
	r.noteArmed()
	return core.Armed
}

// stamp has the record say that a reset leaves now, and renews the lease.
func (r *rotation) stamp(ctx context.Context) error {
	_, err := r.journal.update(ctx, func(record *Record) error {
		if record.Replacement != nil && !r.machine.Doubt { // somebody was faster, and is no more
			return errReplacing
		}
		return record.arm(r.holder, r.id, time.Now())
	})
	return err
}

func (r *rotation) beforeReset(ctx context.Context) error {
	names := make([]string, len(r.fleet))
	for i, s := range r.fleet {
		names[i] = s.Name()
		r.fleet[i].before = s.Channels()
	}
	hook := r.cfg.Hooks.BeforeReset
	if hook == nil {
		return nil
	}
	plan := Plan{ID: r.id, KeyID: r.keyID, ClientID: r.report.ClientID, Generation: r.old.Generation, Sessions: names}
	return r.guard(ctx, "BeforeReset", r.cfg.HookTimeout, func(ctx context.Context) error { return hook(ctx, plan) })
}
