package rotate

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// probeInterval is between two secrets that are tried: the exchange counts failed logins.
const probeInterval = time.Second

// trySecret authenticates with the secret in question on a connection of its own. The exchange is the only judge of it.
func (r *rotation) trySecret(ctx context.Context) core.EventKind {
	if err := r.pauseTry(ctx); err != nil {
		r.err = errors.Join(r.err, err)
		return core.Stopped
	}
	kind := core.Unreachable
	r.err = r.step(ctx, StepVerify, func(ctx context.Context) error {
		question, err := r.inQuestion(ctx)
		if err != nil {
			return err
		}
		err = r.outside.try(ctx, r.seen.credentials(question))
		switch {
		case err == nil:
			kind, r.secret = core.Accepted, question
		case isRefused(err):
			kind = core.Rejected
		}
		return err
	})
	if kind == core.Unreachable {
		r.warn(ctx, "rotation: trying a secret", r.err)
	}
	return kind
}

func (r *rotation) pauseTry(ctx context.Context) error {
	if r.machine.State == core.Probing && r.machine.Secret > 0 && r.machine.Attempt == 0 {
		return pause(ctx, r.closing, probeInterval)
	}
	return r.pauseBefore(ctx, core.Try, r.closing)
}

// inQuestion is the secret to try.
func (r *rotation) inQuestion(ctx context.Context) (Candidate, error) {
	if r.machine.State == core.Durable {
		return r.secret, nil
	}
	if r.machine.State == core.Probing {
		return r.seen.candidates()[r.machine.Secret], nil
	}
	record, err := r.journal.load(ctx)
	if err != nil {
		return Candidate{}, err
	}
	r.seen = record
	return record.Current, nil
}

// isRefused reports whether the exchange has said that a secret is wrong: which of three codes says so is not documented. A network
// that is down, a clock that is off or too many logins say nothing about it.
func isRefused(err error) bool {
	if _, refused := errors.AsType[*session.AuthError](err); !refused {
		return false
	}
	refusal, ok := errors.AsType[*rpc.Error](err)
	return ok && (refusal.Code == session.CodeInvalidCredentials || refusal.Code == session.CodeUnauthorized ||
		refusal.Code == session.CodeAuthorizationRequired)
}

// promote makes the secret that was accepted the current one in the store.
func (r *rotation) promote(ctx context.Context) core.EventKind {
	return r.swap(ctx, core.Promote, func(record *Record) error {
		now := time.Now()
		if err := record.accept(r.holder, r.seen, r.secret, now); err != nil {
			return err
		}
		if r.machine.Open == 0 {
			record.Intent = nil
		} else {
			record.await()
		}
		// What a person has published since is not what the exchange takes: it must not outrank this one.
		if published := r.cfg.Keyring.Current(); !published.Secret.Equal(record.Current.Secret) {
			record.Current.Generation = max(record.Current.Generation, published.Generation+1)
		}
		return nil
	})
}

// settle clears the intent in the store.
func (r *rotation) settle(ctx context.Context) core.EventKind {
	return r.swap(ctx, core.Settle, func(record *Record) error { return record.settle(r.holder, r.seen) })
}

// swap changes the record if it still is what was seen. The secret is stored already, so that nothing is lost by trying again.
func (r *rotation) swap(ctx context.Context, effect core.Effect, change func(*Record) error) core.EventKind {
	if err := r.pauseBefore(ctx, effect, r.closing); err != nil {
		r.err = errors.Join(r.err, err)
		return core.Stopped
	}
	r.err = r.step(ctx, StepPublish, func(ctx context.Context) error {
		record, err := r.journal.update(ctx, change)
		if err == nil {
			r.seen, r.secret = record, record.Current
		}
		return err
	})
	switch {
	case r.err == nil:
		return core.Swapped
	case errors.Is(r.err, errMoved) || errors.Is(r.err, ErrLeaseLost):
		return core.Moved
	}
	r.warn(ctx, "rotation: promoting", r.err)
	return core.NotSwapped
}

// publish gives the current secret to the sessions, opens the gate, and tells of it.
func (r *rotation) publish(ctx context.Context) core.EventKind {
	r.cfg.Keyring.expect(r.machine.Open > 0)
	clientID := cmp.Or(r.seen.ClientID, r.report.ClientID) // none was looked at if sessions were left behind
	r.cfg.Keyring.publishAndOpen(session.Credentials{
		ClientID: clientID, Secret: r.secret.Secret, Generation: r.secret.Generation,
	})
	if spare := r.fromSpare(ctx); len(spare) > 0 {
		r.toSpare(ctx, r.secret) // what it had is dead, or this
	}
	if hook := r.cfg.Hooks.AfterReset; hook != nil && !r.key.Secret.IsZero() && r.key.Secret.Equal(r.secret.Secret) {
		r.notify(ctx, "AfterReset", func(ctx context.Context) { hook(ctx, r.key) })
	}
	return core.Published
}

// quarantine waits until no reset can be executed any more, and reports whether it was stopped.
func (r *rotation) quarantine(ctx context.Context) (stopped bool) {
	left := min(time.Until(r.openSince().Add(r.cfg.Quarantine)), r.cfg.Quarantine)
	if err := pause(ctx, r.closing, max(left, 0)); err != nil {
		r.err = errors.Join(r.err, err)
		return true
	}
	return false
}
