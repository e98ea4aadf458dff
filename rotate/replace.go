package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	methodCreate = "private/create_api_key"
	methodRemove = "private/remove_api_key"
)

// maxKeys is how many keys an account may have, as the exchange documents it.
const maxKeys = 8

// answering is how long the second factor may take after a creation was about to be sent for the first time.
const answering = (maxRounds + 1) * secondFactorTimeout

// replacement is one way through the strategy Replace. What is left to do the store's record says, so that a recovery is the same walk,
// begun in the middle:
//
//	no Replacement -> named (the key may have been created) -> stored (its secret is known) -> promoted (the old key is to go) -> none
//
// The private half of an asymmetric key is made here: it is in the record from when that is named, before anybody has the public half.
//
// The old key works until it is removed, which is last: the keyring's gate stays open.
type replacement struct {
	*rotation
	template APIKey // the key to replace
	early    bool   // Recover runs it, before there may be sessions: what needs an authority is left until there is one
}

func (r *Rotator) newReplacement(trigger Trigger) *replacement {
	return &replacement{rotation: r.newRotation(trigger, core.Rotate)}
}

// run goes from one end to the other, or to where it cannot go on.
func (r *replacement) run(ctx context.Context) (Report, error) {
	return r.told(ctx, func(ctx context.Context) {
		if r.takeLease(ctx); r.err == nil {
			r.err = r.walk(ctx)
			r.release(ctx)
		}
	})
}

// walk does what the record says is next, until nothing is.
func (r *replacement) walk(ctx context.Context) error {
	returns := r.isToReturn(ctx)
	if r.seen.Intent != nil && !returns && !r.seen.Replacement.isStored() && !r.seen.Replacement.isFindable() {
		return ErrUnfinished
	}
	if r.seen.Replacement == nil {
		if r.trigger == TriggerRecover {
			return nil // somebody has finished it
		}
		done, err := r.begin(ctx)
		if err != nil || done {
			return err
		}
	} else {
		r.id = r.seen.Replacement.ID
		if r.seen.Replacement.KeyID == 0 {
			r.enter(ctx, core.Unknown)
			if err := r.abandon(ctx, nil); err != nil || !r.seen.Replacement.isStored() {
				return err
			}
		}
	}
	if returns || r.seen.Replacement.isStored() {
		if err := r.prove(ctx); err != nil {
			return err
		}
	}
	return r.complete(ctx)
}

// enter notes where the replacement stands.
func (r *replacement) enter(ctx context.Context, state core.State) {
	r.log(ctx, state, 0)
	r.machine.State = state
}

// change changes the record while it is this replacement's.
func (r *replacement) change(ctx context.Context, fn func(*Record, *Replacement)) error {
	record, err := r.journal.update(ctx, func(record *Record) error {
		p, err := record.replacing(r.holder, r.id, time.Now())
		if err == nil {
			fn(record, p)
		}
		return err
	})
	if err == nil {
		r.seen = record
	}
	return err
}

// begin checks what can be checked, and creates the new key. done is a Check that has passed.
func (r *replacement) begin(ctx context.Context) (done bool, err error) {
	if r.ends != 0 && r.ends != r.old.Generation {
		return false, errTurnTaken
	}
	if err := r.step(ctx, StepPreflight, r.preflightReplace); err != nil || r.trigger == TriggerCheck {
		return err == nil, err
	}
	if err := r.beforeReset(ctx); err != nil {
		return false, err
	}
	if r.isClosing() {
		return false, ErrClosed
	}
	named := &Replacement{ID: r.id, Name: "hf_" + r.id[:13], Sent: time.Now()}
	if r.template.PublicKey != "" {
		if named.Secret, err = newPrivateKey(); err != nil {
			return false, err
		}
	}
	err = r.step(ctx, StepIntent, func(ctx context.Context) error {
		record, err := r.journal.update(ctx, func(record *Record) error {
			if err := record.renew(r.holder, time.Now()); err != nil {
				return err
			}
			if record.Replacement != nil || record.Intent != nil {
				return errMoved
			}
			record.Replacement = new(*named)
			return nil
		})
		if err == nil {
			r.seen = record
		}
		return err
	})
	if err != nil {
		return false, err
	}
	r.enter(ctx, core.Resetting)
	return false, r.create(ctx)
}

// create asks for the new key, and stores it before anything else is done with it.
func (r *replacement) create(ctx context.Context) error {
	err := r.step(ctx, StepCreate, func(ctx context.Context) error {
		private := r.seen.Replacement.Secret
		public, err := publicText(private)
		if err != nil {
			return err
		}
		raw, err := r.manage(ctx, methodCreate, keyParams{
			name: r.seen.Replacement.Name, maxScope: r.template.MaxScope, features: r.template.EnabledFeatures, publicKey: public,
		}, r.hold)
		if err != nil {
			return err
		}
		defer clear(raw)
		key, _, odd, err := decodeReset(raw)
		if err != nil {
			return err
		}
		if odd != nil {
			r.warn(ctx, "rotation reply", odd)
		}
		if err := r.checkNew(key); err != nil {
			return err
		}
		if public != "" { // what came as its secret is a fingerprint
			key.Secret, key.PublicKey = private, public
		}
		r.key = key
		return nil
	})
	if err != nil {
		return r.abandon(ctx, fmt.Errorf("rotate: create: %w", err))
	}
	r.enter(ctx, core.Received)
	err = r.step(ctx, StepStore, func(ctx context.Context) error {
		return r.change(ctx, func(_ *Record, p *Replacement) {
			p.KeyID, p.ClientID, p.Secret = r.key.ID, r.key.ClientID, r.key.Secret
		})
	})
	if err != nil {
		return r.undo(ctx, err)
	}
	r.enter(ctx, core.Durable)
	return nil
}

// checkNew accepts nothing but a new key with all that the old one may do.
func (r *replacement) checkNew(key APIKey) error {
	switch {
	case key.ID == 0 || key.ID == r.keyID:
		return fmt.Errorf("%w: it is of key %d", ErrReply, key.ID)
	case key.ClientID == "" || key.ClientID == r.report.ClientID:
		return fmt.Errorf("%w: it is of client id %q", ErrReply, key.ClientID)
	case r.template.PublicKey == "" && (key.Secret.IsZero() || key.Secret.Equal(r.old.Secret)):
		return fmt.Errorf("%w: client_secret is empty or the old one", ErrReply)
	case key.PublicKey != "" && !isPublicHalf(key.PublicKey, r.seen.Replacement.Secret):
		return fmt.Errorf("%w: it is of another public key", ErrReply)
	case key.Name != r.seen.Replacement.Name:
		return fmt.Errorf("%w: it is of a key with another name", ErrReply)
	}
	for _, item := range r.template.MaxScope {
		if !slices.Contains(key.MaxScope, item) {
			return fmt.Errorf("%w: the new key may not %s: it may %s", ErrReply, item, strings.Join(key.MaxScope, " "))
		}
	}
	return nil
}

// prove tries the new key on a connection of its own, or the old one where the new one is refused, and makes it the current one.
func (r *replacement) prove(ctx context.Context) error {
	p := r.seen.Replacement
	r.enter(ctx, core.Durable)
	err := r.step(ctx, StepVerify, func(ctx context.Context) error { return r.try(ctx, p.credentials()) })
	switch {
	case isRefused(err) && p.isStored():
		return r.abandon(ctx, fmt.Errorf("rotate: the exchange refuses the new key: %w", err))
	case err != nil:
		return fmt.Errorf("rotate: key %d (%s) is stored and could not be tried: call Recover: %w", p.KeyID, p.ClientID, err)
	}
	r.enter(ctx, core.Verified)
	err = r.step(ctx, StepPublish, func(ctx context.Context) error {
		above := r.cfg.Keyring.Current().Generation
		return r.change(ctx, func(record *Record, p *Replacement) { record.replace(p, above, time.Now()) })
	})
	if err != nil {
		return fmt.Errorf("rotate: key %d (%s) is not yet the current one: call Recover: %w", p.KeyID, p.ClientID, err)
	}
	return nil
}

// complete has the sessions take the new key, and removes the old one when all have.
func (r *replacement) complete(ctx context.Context) error {
	r.secret, r.report.NewClientID = r.seen.Current, r.seen.ClientID
	r.enter(ctx, core.Promoted)
	if err := r.adopt(r.seen); err != nil {
		return err
	}
	r.cfg.Keyring.open() // it may be shut since the old key was found dead
	if hook := r.cfg.Hooks.AfterReset; hook != nil && !r.key.Secret.IsZero() {
		r.notify(ctx, "AfterReset", func(ctx context.Context) { hook(ctx, r.key) })
	}
	old := r.seen.Replacement
	r.enter(ctx, core.Reauthing)
	if r.reauthenticate(ctx) == core.SomeLeft || r.moveAuthority(ctx, old) == core.SomeLeft {
		r.enter(ctx, core.Degraded)
		return r.left // they have the old key, which stays until Recover has moved them
	}
	r.enter(ctx, core.Settling)
	if r.isTooEarly() {
		r.leave(ctx, fmt.Sprintf("the new key is used, but the old key %d (%s) still works", old.KeyID, old.ClientID))
		return nil
	}
	if err := r.step(ctx, StepRemove, func(ctx context.Context) error { return r.retire(ctx, old) }); err != nil {
		if used, ok := errors.AsType[*KeyInUseError](err); ok {
			return used
		}
		return &LeftoverKeyError{KeyID: old.KeyID, ClientID: old.ClientID, Err: err}
	}
	r.enter(ctx, core.Idle)
	return nil
}

// linger waits, and keeps the lease.
func (r *replacement) linger(ctx context.Context, until time.Time) error {
	for left := time.Until(until); left > 0; left = time.Until(until) {
		if err := pause(ctx, r.closing, min(left, r.cfg.LeaseTTL/3)); err != nil {
			return err
		}
		if err := r.hold(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hold renews the lease, if it and the replacement still are this one's.
func (r *replacement) hold(ctx context.Context) error {
	return r.change(ctx, func(*Record, *Replacement) {})
}

// abandon gives up a new key that is not used yet, whatever has become of it: a key with its name is removed once no creation can be
// executed any more. The old key is as good as before. cause is why. But one that can be found is not given up if the old key is dead:
// without an error it may be stored afterwards.
func (r *replacement) abandon(ctx context.Context, cause error) error {
	if isAnothers(cause) && surelyNot(cause) { // and so is the record
		r.enter(ctx, core.Idle)
		return cause
	}
	p := r.seen.Replacement
	if p.isFindable() && !surelyNot(cause) && isRefused(r.try(ctx, r.seen.Credentials())) {
		return r.find(ctx, cause)
	}
	if !surelyNot(cause) && r.isTooEarly() {
		r.leave(ctx, fmt.Sprintf("the old key is used, but a key with the name %s may be left, which nobody uses%s", p.Name, because(text(cause))))
		return nil
	}
	err := r.forget(ctx, cause)
	if isAnothers(err) && cause != nil && !surelyNot(cause) && p.KeyID == 0 { // sent from here, perhaps after that one has looked
		if raised := r.raise(ctx); raised != nil {
			return fmt.Errorf("rotate: a key with the name %s may be left, which nobody uses: remove it on the exchange's website: %w",
				p.Name, errors.Join(cause, err, raised))
		}
	}
	if err != nil {
		return fmt.Errorf("rotate: a key with the name %s may be left, which nobody uses: call Recover, which removes it: %w",
			p.Name, errors.Join(cause, err))
	}
	r.enter(ctx, core.Idle)
	return cause
}

// lastCreation is until when the creation may be executed.
func (r *replacement) lastCreation() time.Time {
	return r.seen.Replacement.Sent.Add(r.cfg.Quarantine + answering)
}

// isTooEarly reports whether nobody is there yet who could remove a key.
func (r *replacement) isTooEarly() bool { return r.early && len(r.appealTo(r.seen)) == 0 }

// leave leaves a key for later, and says so.
func (r *replacement) leave(ctx context.Context, what string) {
	what += ": call Recover when sessions are dialed, or set Config.Authority: it is removed then"
	r.report.Warnings = append(r.report.Warnings, what)
	r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "rotation: a key is left to be removed", slog.String("reason", what))
}

// surelyNot reports whether the exchange has surely not created a key.
func surelyNot(err error) bool {
	if err == nil {
		return false
	}
	if _, refused := errors.AsType[*SecondFactorError](err); refused || errors.Is(err, ErrNoSecondFactor) {
		return true
	}
	if _, hook := errors.AsType[*HookError](err); hook {
		return true
	}
	if _, tried := errors.AsType[*session.AuthError](err); tried {
		return false
	}
	if refusal, ok := errors.AsType[*rpc.Error](err); ok && refusal.Code == session.CodeTooManyRequests {
		return false
	}
	return !errors.Is(err, ErrReply) && rpc.SafeToRetry(err)
}
