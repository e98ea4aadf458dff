package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
)

// retire waits for those who follow the store, and removes the old key.
func (r *replacement) retire(ctx context.Context, old *Replacement) error {
	if err := r.linger(ctx, time.Now().Add(r.cfg.Overlap)); err != nil {
		return err
	}
	for _, s := range r.cfg.Sessions() {
		if s.Generation() < r.seen.Current.Generation {
			return fmt.Errorf("session %s is not at generation %d", s.Name(), r.seen.Current.Generation)
		}
	}
	if err := r.remove(ctx, old.KeyID, old.ClientID, func(ctx context.Context) error {
		return errors.Join(r.unused(old), r.checkCurrent(ctx), r.hold(ctx))
	}); err != nil {
		return err
	}
	return r.change(ctx, func(record *Record, _ *Replacement) { record.Replacement = nil })
}

// unused refuses what would end a key that somebody uses.
func (r *replacement) unused(old *Replacement) error {
	var users []string
	if r.cfg.Keyring.Current().ClientID == old.ClientID {
		users = append(users, "Config.Keyring")
	}
	if isOf(r.cfg.Authority, old.ClientID) {
		users = append(users, "Config.Authority")
	}
	for _, s := range r.cfg.Sessions() {
		if isOf(s, old.ClientID) {
			users = append(users, s.Name())
		}
	}
	if len(users) == 0 {
		return nil
	}
	return &KeyInUseError{KeyID: old.KeyID, ClientID: old.ClientID, Users: users}
}

// remove removes a key, before which before has a last look. One that is gone already is as good.
func (r *replacement) remove(ctx context.Context, id int64, clientID string, before func(context.Context) error) error {
	if id == r.seen.KeyID || clientID == r.seen.ClientID {
		return fmt.Errorf("%w: key %d is the current one", ErrMismatch, id)
	}
	if err := r.appoint(ctx); err != nil {
		return err
	}
	raw, err := r.manage(ctx, methodRemove, keyParams{id: id}, before)
	done := strings.TrimSpace(string(raw)) == `"ok"`
	clear(raw)
	if err == nil && done {
		return nil
	}
	if unsent, ok := errors.AsType[*rpc.CallError](err); ok && unsent.Outcome == rpc.NotSent {
		return err
	}
	if err == nil {
		err = fmt.Errorf("%w: the removal of key %d was not answered with ok", ErrReply, id)
	}
	gone, listErr := r.isGone(ctx, id)
	if gone {
		return nil
	}
	return errors.Join(err, listErr)
}

// isGone looks whether a key is gone. The connection that was asked to remove it may have ended: it waits for another one.
func (r *replacement) isGone(ctx context.Context, id int64) (bool, error) {
	waits, begun := retry.Backoff(100*time.Millisecond, 5*time.Second), time.Now()
	for {
		err := r.appoint(ctx)
		if err == nil {
			var keys []APIKey
			if keys, err = r.keysOfAccount(ctx); err == nil {
				return !slices.ContainsFunc(keys, func(k APIKey) bool { return k.ID == id }), nil
			}
		}
		if _, unanswered := errors.AsType[*rpc.CallError](err); !unanswered || time.Since(begun) > r.cfg.SessionTimeout {
			return false, err
		}
		if stopped := pause(ctx, r.closing, waits.NextBackOff()); stopped != nil {
			return false, errors.Join(err, stopped)
		}
	}
}

// appoint finds who removes a key.
func (r *replacement) appoint(ctx context.Context) error {
	all := r.appealTo(r.seen)
	errs := []error{errAuthority}
	for _, a := range all {
		err := r.waitFor(ctx, a)
		if err == nil {
			r.authorities = []Authority{a}
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs[min(1, len(all)):]...)
}

// isOf reports whether an authority, which may be nil, is known to be of a key.
func isOf(a Authority, clientID string) bool { return a != nil && a.ClientID() == clientID }

// forget removes the new key, if there may be one, once no creation can be executed any more, and clears the record. If the creation was put
// on record again meanwhile it was sent later than was known, and all begins anew. cause is why.
func (r *replacement) forget(ctx context.Context, cause error) error {
	for r.seen.Replacement != nil {
		sent := r.seen.Replacement.Sent
		if !surelyNot(cause) {
			if err := r.expel(ctx); err != nil {
				return err
			}
		}
		err := r.change(ctx, func(record *Record, p *Replacement) {
			if p.Sent.Equal(sent) {
				record.Replacement = nil
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expel removes the new key once it exists or never will.
func (r *replacement) expel(ctx context.Context) error {
	if r.seen.Replacement.KeyID == 0 {
		if err := r.hold(ctx); err != nil { // known at once, or another may clear the record meanwhile
			return err
		}
		if err := r.linger(ctx, r.lastCreation()); err != nil {
			return err
		}
	}
	return r.step(ctx, StepRemove, r.removeOrphan)
}

// removeOrphan removes the key with the name of this replacement, and no other, and not if it could stand in for an old key that is dead.
func (r *replacement) removeOrphan(ctx context.Context) error {
	if r.seen.Replacement.isFindable() {
		if err := r.try(ctx, r.seen.Credentials()); err != nil {
			return fmt.Errorf("the old key may be dead: %w", err)
		}
	}
	if err := r.appoint(ctx); err != nil {
		return err
	}
	keys, err := r.keysOfAccount(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Name == r.seen.Replacement.Name {
			return r.remove(ctx, key.ID, key.ClientID, r.hold)
		}
	}
	return nil
}

// keysOfAccount lists the keys of the current key's account. A list without that one says nothing about what another key has become.
func (r *replacement) keysOfAccount(ctx context.Context) ([]APIKey, error) {
	keys, err := r.listKeys(ctx, keyParams{})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(keys, func(k APIKey) bool { return k.ClientID == r.seen.ClientID }) {
		return nil, fmt.Errorf("%w: the authority sees no key with client id %s among %d: is it of another account?",
			ErrMismatch, r.seen.ClientID, len(keys))
	}
	return keys, nil
}

// isAnothers reports whether another rotator has taken the work over.
func isAnothers(err error) bool { return errors.Is(err, ErrLeaseLost) || errors.Is(err, errMoved) }

// undo ends a creation whose key is not stored. Where another rotator has the lease it may have looked for the key before there was one, and
// cleared the record: the key is removed at once, or else put on record again.
func (r *replacement) undo(ctx context.Context, cause error) error {
	if !isAnothers(cause) {
		return fmt.Errorf("rotate: the new key is not stored: call Recover, which removes it: %w", cause)
	}
	err := r.step(ctx, StepRemove, func(ctx context.Context) error { return r.remove(ctx, r.key.ID, r.key.ClientID, nil) })
	if err == nil {
		r.enter(ctx, core.Idle)
		return fmt.Errorf("rotate: the new key was removed again: %w", cause)
	}
	if raised := r.raise(ctx); raised != nil {
		return fmt.Errorf("rotate: key %d (%s) is left, which nobody uses: remove it on the exchange's website: %w",
			r.key.ID, r.key.ClientID, errors.Join(cause, err, raised))
	}
	return fmt.Errorf("rotate: key %d (%s) is left, which nobody uses: call Recover, which removes it: %w",
		r.key.ID, r.key.ClientID, errors.Join(cause, err))
}

// raise puts a creation on record again, as of now, where another rotator has the lease.
func (r *replacement) raise(ctx context.Context) error {
	named := *r.seen.Replacement
	named.Sent = time.Now()
	_, err := r.journal.update(ctx, func(record *Record) error {
		switch p := record.Replacement; {
		case record.Current.Rotation == named.ID, p != nil && p.ID == named.ID && p.KeyID != 0:
			return nil // it has found the key
		case p != nil && p.ID != named.ID:
			return fmt.Errorf("%w: another replacement is under way", errMoved)
		}
		record.Replacement = &named
		return nil
	})
	return err
}
