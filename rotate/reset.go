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

// reset sends the reset. Its reply is the rotation's, whoever called Rotate.
func (r *rotation) reset(ctx context.Context) state {
	next := unknown
	r.err = r.step(ctx, StepReset, func(ctx context.Context) (err error) {
		next, err = r.sendReset(ctx)
		return err
	})
	r.answer = answer{}
	return next
}

func (r *rotation) sendReset(ctx context.Context) (state, error) {
	raw, err := r.call(ctx, methodReset, keyParams{id: r.keyID, answer: r.answer})
	defer clear(raw)
	if err != nil {
		return r.judge(err)
	}
	key, demand, odd, err := decodeReset(raw)
	if demand != nil {
		r.demand = demand
		return challenged, nil
	}
	if err == nil {
		if err = r.checkReply(key); err != nil {
			err = r.strange(ctx, key, err)
		}
	}
	if err != nil {
		return unknown, r.unknownOutcome(err)
	}
	if odd != nil {
		r.warn(ctx, "rotation reply", odd)
	}
	r.key = key
	return received, nil
}

// strange hands on a key that is not the one of this rotation, for it may be the only copy of another's new secret: a wrong
// Config.KeyID has another key reset.
func (r *rotation) strange(ctx context.Context, key APIKey, cause error) error {
	if key.Secret.IsZero() || key.Secret.Equal(r.old.Secret) {
		return cause
	}
	if hook := r.cfg.Hooks.OnUnsaved; hook != nil {
		r.notify(ctx, "OnUnsaved", func(ctx context.Context) { hook(ctx, key, cause) })
	}
	return &UnsavedError{Key: key, Err: cause}
}

// checkReply accepts nothing but the new secret of this key.
func (r *rotation) checkReply(key APIKey) error {
	switch {
	case key.ID != r.keyID:
		return fmt.Errorf("%w: it is of key %d", ErrReply, key.ID)
	case key.ClientID != r.report.ClientID:
		return fmt.Errorf("%w: it is of client id %q", ErrReply, key.ClientID)
	case key.Secret.IsZero():
		return fmt.Errorf("%w: client_secret is empty", ErrReply)
	case key.Secret.Equal(r.old.Secret):
		return fmt.Errorf("%w: client_secret is the old one", ErrReply)
	}
	return nil
}

// judge tells a reset that was surely not executed from one of which nothing is known.
func (r *rotation) judge(err error) (state, error) {
	if refusal, ok := errors.AsType[*SecondFactorError](err); ok {
		if r.rounds < maxRounds && refusal.worthAnotherRound() {
			r.demand = nil // the next one comes with the next reset
			return challenged, refusal
		}
		return aborted, refusal
	}
	refusal, refused := errors.AsType[*rpc.Error](err)
	// Too many requests end the session: what else was on its way is unknown.
	if rpc.SafeToRetry(err) && (!refused || refusal.Code != session.CodeTooManyRequests) {
		return aborted, fmt.Errorf("rotate: reset: %w", err)
	}
	return unknown, r.unknownOutcome(err)
}

func (r *rotation) unknownOutcome(err error) error {
	return &UnknownOutcomeError{KeyID: r.keyID, ClientID: r.report.ClientID, Err: err}
}

// answerChallenge has a person answer. Nothing was executed, so that sessions may use the old secret meanwhile.
func (r *rotation) answerChallenge(ctx context.Context) state {
	r.err = nil
	if demand := r.demand; demand != nil {
		r.demand = nil
		r.rounds++
		if r.rounds > maxRounds {
			r.err = fmt.Errorf("%w: %s asks for the second factor again and again", ErrReply, methodReset)
			return aborted
		}
		r.cfg.Keyring.open()
		demand.public.Method, demand.public.Round = methodReset, r.rounds
		r.answer, r.err = r.ask(ctx, demand)
	}
	return r.shutGate(ctx)
}

// persist stores the new secret before anything else is done with it, whatever the lease says.
func (r *rotation) persist(ctx context.Context) state {
	r.secret = Candidate{Secret: r.key.Secret, Rotation: r.id, Received: time.Now()}
	if r.err = r.step(ctx, StepStore, r.saveCandidate); r.err != nil {
		return unsaved
	}
	return durable
}

func (r *rotation) saveCandidate(ctx context.Context) error {
	record, err := r.journal.update(ctx, func(record *Record) error {
		record.add(r.secret)
		r.raise(record) // another may have taken the lease, found the old secret good, and cleared it
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range record.candidates() {
		if c.Secret.Equal(r.secret.Secret) {
			r.secret = c
		}
	}
	r.seen = record
	return nil
}

// persistAgain holds the one copy of the secret: it goes on until the store takes it.
func (r *rotation) persistAgain(ctx context.Context) state {
	if hook := r.cfg.Hooks.OnUnsaved; hook != nil {
		cause := r.err
		r.notify(ctx, "OnUnsaved", func(ctx context.Context) { hook(ctx, r.key, cause) })
	}
	waits := retry.Backoff(10*time.Millisecond, time.Second)
	cause := r.err
	err := r.step(ctx, StepStore, func(ctx context.Context) error {
		for {
			if pause(ctx, nil, waits.NextBackOff()) != nil {
				return &UnsavedError{Key: r.key, Err: cause}
			}
			if cause = r.saveCandidate(ctx); cause == nil {
				return nil
			}
		}
	})
	if r.err = err; err != nil {
		return unsaved
	}
	return durable
}
