package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// verify tries the new secret on a connection of its own.
func (r *rotation) verify(ctx context.Context) state {
	next := durable
	r.err = r.step(ctx, StepVerify, func(ctx context.Context) error {
		works, err := r.tryUntilKnown(ctx, r.seen.credentials(r.secret))
		switch {
		case err != nil && !isRefused(err):
			return err
		case works:
			next = verified
			return nil
		}
		next = unknown
		return r.unknownOutcome(err)
	})
	return next
}

// tryUntilKnown tries credentials until the exchange takes or refuses them; nothing else is an answer. It gives up when the
// Rotator closes. Its error is a refusal, or why it gave up.
func (r *rotation) tryUntilKnown(ctx context.Context, creds session.Credentials) (works bool, err error) {
	waits := retry.Backoff(100*time.Millisecond, 30*time.Second)
	for {
		err := r.try(ctx, creds)
		if err == nil || isRefused(err) {
			return err == nil, err
		}
		r.warn(ctx, "rotation: trying a secret", err)
		if stopped := pause(ctx, r.closing, waits.NextBackOff()); stopped != nil {
			return false, fmt.Errorf("rotate: stopped before generation %d was verified: it is stored, call Recover: %w (%w)",
				creds.Generation, stopped, err)
		}
	}
}

// isRefused reports whether the exchange has said that a secret is wrong: which of two codes says so is not documented. A network
// that is down, a clock that is off or too many logins say nothing about it.
func isRefused(err error) bool {
	if _, refused := errors.AsType[*session.AuthError](err); !refused {
		return false
	}
	refusal, ok := errors.AsType[*rpc.Error](err)
	return ok && (refusal.Code == session.CodeInvalidCredentials || refusal.Code == session.CodeUnauthorized)
}

// publish makes the verified secret the current one, in the store and then in the keyring, and opens the gate.
func (r *rotation) publish(ctx context.Context) state {
	next := verified
	cause := r.err
	r.err = r.step(ctx, StepPublish, func(ctx context.Context) error {
		err := r.promote(ctx)
		switch {
		case errors.Is(err, errMoved) || errors.Is(err, ErrLeaseLost):
			next = unknown
			return err
		case err != nil:
			return fmt.Errorf("rotate: stopped before generation %d was published: it is stored, call Recover: %w", r.secret.Generation, err)
		}
		r.cfg.Keyring.publishAndOpen(r.seen.Credentials())
		next = promoted
		return nil
	})
	if next == promoted {
		r.err = cause
	}
	return next
}

// errMoved is a store that has more candidates than were seen: somebody else has reset the key.
var errMoved = errors.New("rotate: another rotator has received a secret meanwhile")

// promote tries until the store has taken it: the secret is stored already, so that nothing is lost by waiting.
func (r *rotation) promote(ctx context.Context) error {
	waits := retry.Backoff(10*time.Millisecond, time.Second)
	for {
		record, err := r.journal.update(ctx, r.promoteIn)
		if err == nil {
			r.seen, r.secret = record, record.Current
			return nil
		}
		if errors.Is(err, errMoved) || errors.Is(err, ErrLeaseLost) {
			return err
		}
		r.warn(ctx, "rotation: promoting", err)
		if stopped := pause(ctx, r.closing, waits.NextBackOff()); stopped != nil {
			return fmt.Errorf("%w (%w)", stopped, err)
		}
	}
}

// promoteIn changes the record if nobody has added a candidate since the secret was verified: so none is dropped unseen.
func (r *rotation) promoteIn(record *Record) error {
	if !r.holds(*record) {
		return ErrLeaseLost
	}
	for _, c := range record.Candidates {
		if !contains(r.seen.Candidates, c.Secret) {
			return errMoved
		}
	}
	record.promote(r.secret, time.Now())
	record.Intent = nil
	// What a person has published since is not what the exchange takes: it must not outrank this one.
	if published := r.cfg.Keyring.Current(); !published.Secret.Equal(record.Current.Secret) {
		record.Current.Generation = max(record.Current.Generation, published.Generation+1)
	}
	return nil
}

// probe tries the secrets of the store until one works. The exchange is the only judge of them.
func (r *rotation) probe(ctx context.Context) state {
	next := probing
	cause := r.err
	err := r.step(ctx, StepVerify, func(ctx context.Context) error {
		if err := r.acquireAgain(ctx); err != nil {
			return err
		}
		tried, err := r.tryAll(ctx)
		switch {
		case err == nil:
			next = verified
			return nil
		case isRefused(err):
			next = lockedOut
			return &LockedOutError{KeyID: r.keyID, ClientID: r.report.ClientID, Tried: tried, Err: errors.Join(cause, err)}
		}
		return r.unknownOutcome(errors.Join(cause, err))
	})
	r.err = err
	if next == verified && cause != nil && r.secret.Secret.Equal(r.old.Secret) {
		r.err = fmt.Errorf("%w: %w", ErrNotExecuted, cause)
	}
	return next
}

// acquireAgain makes sure of the lease, waiting for who has it meanwhile.
func (r *rotation) acquireAgain(ctx context.Context) error {
	waits := retry.Backoff(100*time.Millisecond, 10*time.Second)
	for {
		record, err := r.journal.update(ctx, func(record *Record) error {
			if r.holds(*record) {
				return r.renew(record)
			}
			return r.take(record)
		})
		if err == nil {
			r.lease, r.seen = *record.Lease, record
			return nil
		}
		r.warn(ctx, "rotation: taking the lease again", err)
		if stopped := pause(ctx, r.closing, waits.NextBackOff()); stopped != nil {
			return fmt.Errorf("%w (%w)", stopped, err)
		}
	}
}

// probeInterval is between two secrets that are tried.
const probeInterval = time.Second

// tryAll tries the secrets of the record, newest first. Its error is a refusal if all were refused.
func (r *rotation) tryAll(ctx context.Context) (tried int, err error) {
	for _, c := range r.seen.candidates() {
		if tried > 0 { // the exchange counts failed logins
			if stopped := pause(ctx, r.closing, probeInterval); stopped != nil {
				return tried, stopped
			}
		}
		tried++
		works, tryErr := r.tryUntilKnown(ctx, r.seen.credentials(c))
		if works {
			r.secret = c
			return tried, nil
		}
		if err = tryErr; !isRefused(err) {
			return tried, err
		}
	}
	return tried, err
}
