package rotate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// persist stores the new secret before anything else is done with it, whatever the lease says. It holds the one copy: only the end
// of ctx ends it, once it was tried.
func (r *rotation) persist(ctx context.Context) core.EventKind {
	if err := r.pauseBefore(ctx, core.Store, nil); err != nil {
		r.err = errors.Join(r.err, err)
		return core.Stopped
	}
	if r.machine.Attempt == 0 {
		r.secret = Candidate{Secret: r.key.Secret, Rotation: r.id, Received: time.Now()}
		ctx = context.WithoutCancel(ctx)
	}
	if r.err = r.step(ctx, StepStore, r.saveCandidate); r.err != nil {
		return core.NotStored
	}
	return core.Stored
}

func (r *rotation) saveCandidate(ctx context.Context) error {
	record, err := r.journal.update(ctx, func(record *Record) error {
		if record.KeyID == 0 {
			record.KeyID = r.keyID
		}
		record.receive(r.secret, r.id, r.openSince(), time.Now())
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

// openSince is when the last reset was sent that may yet be executed, zero if none may.
func (r *rotation) openSince() time.Time {
	if r.machine.Open == 0 {
		return time.Time{}
	}
	return r.unanswered
}

// tellUnsaved tells the operator that the store does not take the new secret, and puts it where else it can be kept. It does so once, even if
// ctx has ended.
func (r *rotation) tellUnsaved(ctx context.Context) {
	r.offer(ctx, r.key, r.err)
	r.toSpare(context.WithoutCancel(ctx), r.secret)
}

// offer gives the operator a key whose secret no store has, even if ctx has ended.
func (r *rotation) offer(ctx context.Context, key APIKey, cause error) {
	if hook := r.cfg.Hooks.OnUnsaved; hook != nil {
		r.notify(context.WithoutCancel(ctx), "OnUnsaved", func(ctx context.Context) { hook(ctx, key, cause) })
	}
}

// toSpare has the second store keep a secret alone.
func (r *rotation) toSpare(ctx context.Context, c Candidate) {
	if r.spare == nil {
		return
	}
	if err := r.replaceSpare(ctx, c); err != nil {
		r.warn(ctx, "rotation: the spare store does not take the secret either", err)
	}
}

func (r *rotation) replaceSpare(ctx context.Context, c Candidate) error {
	spare := Record{KeyID: r.keyID, ClientID: r.report.ClientID, Current: c}
	_, err := r.spare.save(ctx, spare, 0)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	_, err = r.spare.update(ctx, func(record *Record) error {
		if record.ClientID != spare.ClientID && !slices.Contains(r.seen.Former, record.ClientID) {
			return ErrMismatch
		}
		if record.Current.Secret.Equal(c.Secret) {
			return errNothingToDo
		}
		record.KeyID, record.ClientID, record.Current = spare.KeyID, spare.ClientID, c
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// fromSpare is what the second store has.
func (r *rotation) fromSpare(ctx context.Context) []Candidate {
	if r.spare == nil {
		return nil
	}
	record, err := r.spare.load(ctx)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		r.warn(ctx, "rotation: the spare store cannot be read", err)
		return nil
	case record.ClientID != r.report.ClientID:
		r.warn(ctx, "rotation: the spare store is of another key", ErrMismatch)
		return nil
	}
	return []Candidate{record.Current}
}
