package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// takeLease takes the lease, and makes the record and the keyring agree.
func (r *rotation) takeLease(ctx context.Context) core.Event {
	var record Record
	r.err = r.step(ctx, StepLease, func(ctx context.Context) (err error) {
		waits := retry.Backoff(100*time.Millisecond, 5*time.Second)
		for {
			record, err = r.acquire(ctx)
			if _, held := errors.AsType[*LeaseHeldError](err); !held || !r.patient {
				return err
			}
			if pause(ctx, r.closing, waits.NextBackOff()) != nil {
				return err
			}
		}
	})
	if r.err != nil {
		return core.Event{Kind: core.LeaseRefused}
	}
	r.gather()
	return core.Event{Kind: core.LeaseTaken, Ledger: r.ledger(record)}
}

// retake makes sure of the lease, waiting for who has it meanwhile.
func (r *rotation) retake(ctx context.Context) core.Event {
	if r.err = r.pauseBefore(ctx, core.Retake, r.closing); r.err != nil {
		return core.Event{Kind: core.Stopped}
	}
	spare := r.fromSpare(ctx)
	record, err := r.journal.update(ctx, func(record *Record) error {
		if err := record.retake(r.holder, r.id, time.Now()); err != nil {
			return err
		}
		if record.ClientID != r.report.ClientID { // what is kept, and what was sent, is of the key that this one has replaced
			return nil
		}
		for _, c := range spare {
			record.add(c)
		}
		if since := r.openSince(); since.After(record.Intent.Sent) { // who cleared the intent meanwhile did not know
			record.Intent.Sent = since
		}
		r.keepRescue(record)
		return nil
	})
	if r.err = err; err != nil {
		r.warn(ctx, "rotation: taking the lease again", err)
		return core.Event{Kind: core.NotRetaken}
	}
	replaced := record.ClientID != r.report.ClientID
	if replaced {
		r.report.ClientID, r.keyID, r.unanswered = record.ClientID, record.KeyID, time.Time{}
	}
	ledger := r.ledger(record)
	ledger.News, ledger.Replaced = record.hasMore(r.seen), replaced
	r.epoch, r.seen, r.redeemed = record.Lease.Epoch, record, session.Secret{}
	return core.Event{Kind: core.Retaken, Ledger: ledger}
}

// ledger is what the record says, and who could reset the key.
func (r *rotation) ledger(record Record) core.Ledger {
	r.authorities = r.appealTo(record)
	ledger := core.Ledger{
		Unfinished: record.Intent != nil, Secrets: len(record.candidates()),
		Authorities: len(r.authorities), Independent: r.isIndependent(r.cfg.Authority),
	}
	if record.Intent == nil || record.Intent.Sent.IsZero() {
		return ledger
	}
	ledger.Sent = true
	if sent := record.Intent.Sent; time.Since(sent) < r.cfg.Quarantine {
		ledger.Recent = true
		if sent.After(r.unanswered) {
			r.unanswered = sent
		}
	}
	return ledger
}

// acquire takes the lease once, if it is free.
func (r *rotation) acquire(ctx context.Context) (Record, error) {
	if err := r.bootstrap(ctx); err != nil {
		return Record{}, err
	}
	record, err := r.journal.update(ctx, func(record *Record) error {
		if err := r.reconcile(record); err != nil {
			return err
		}
		if err := record.take(r.holder, time.Now()); err != nil {
			return err
		}
		if r.trigger == TriggerCheck && record.isUnfinished() {
			return ErrUnfinished
		}
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	r.epoch, r.keyID, r.old, r.seen = record.Lease.Epoch, record.KeyID, record.Current, record
	r.report.ClientID = record.ClientID
	return record, r.adopt(record)
}

// bootstrap gives an empty store its first record.
func (r *rotation) bootstrap(ctx context.Context) error {
	_, err := r.journal.load(ctx)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	creds := r.cfg.Keyring.Current()
	_, err = r.journal.save(ctx, Record{
		KeyID:    r.cfg.KeyID,
		ClientID: creds.ClientID,
		Current:  Candidate{Secret: creds.Secret, Generation: creds.Generation},
	}, 0)
	if errors.Is(err, ErrConflict) {
		return nil // somebody else has just done so
	}
	return err
}

// release gives up the lease, even if ctx has ended: others would wait for it. If it cannot be given up it expires.
func (r *rotation) release(ctx context.Context) core.EventKind {
	r.cfg.Keyring.expect(false)
	if r.epoch == 0 {
		return core.Released
	}
	ctx = context.WithoutCancel(ctx)
	_, err := r.journal.update(ctx, func(record *Record) error { return record.free(r.holder) })
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		r.warn(ctx, "rotation lease: it will expire", err)
	}
	return core.Released
}

// reconcile makes the record the keyring's: a person may have published what the record does not have yet.
func (r *rotation) reconcile(record *Record) error {
	creds := r.cfg.Keyring.Current()
	if err := r.fits(*record); err != nil {
		return err
	}
	if record.KeyID == 0 {
		record.KeyID = r.cfg.KeyID
	}
	if creds.Generation > record.Current.Generation {
		if creds.Secret.IsZero() {
			return fmt.Errorf("%w: the keyring's generation %d has no secret that could be stored", ErrMismatch, creds.Generation)
		}
		if creds.Secret.Equal(record.Current.Secret) { // published anew, above what had been published
			record.Current.Generation = creds.Generation
			return nil
		}
		replaced := record.Current
		record.Current = Candidate{Secret: creds.Secret, Generation: creds.Generation, Received: time.Now()}
		if !replaced.Secret.IsZero() && !record.has(replaced.Secret) {
			record.Candidates = append([]Candidate{replaced}, record.Candidates...)
		}
		record.raise(r.id, time.Now()) // nobody has tried it
	}
	return nil
}

// fits reports why a record cannot be the keyring's.
func (r *Rotator) fits(record Record) error {
	creds := r.cfg.Keyring.Current()
	switch {
	case record.replaced(creds):
		return nil
	case record.ClientID != creds.ClientID:
		return fmt.Errorf("%w: the store is of key %s, the keyring of %s", ErrMismatch, record.ClientID, creds.ClientID)
	case record.KeyID != 0 && r.cfg.KeyID != 0 && len(record.Former) == 0 && record.KeyID != r.cfg.KeyID:
		return fmt.Errorf("%w: the store is of key %d, Config.KeyID is %d", ErrMismatch, record.KeyID, r.cfg.KeyID)
	case record.Current.Generation == creds.Generation && !record.Current.Secret.Equal(creds.Secret):
		return fmt.Errorf("%w: two secrets of generation %d: %s in the store, %s in the keyring: "+
			"give the keyring what the store has, or a greater generation if the keyring's is the newer secret",
			ErrMismatch, creds.Generation, record.Current.Secret.Fingerprint(), creds.Secret.Fingerprint())
	}
	return nil
}

// adopt publishes what another process has rotated to.
func (r *Rotator) adopt(record Record) error {
	if record.Current.Generation <= r.cfg.Keyring.Current().Generation {
		return nil
	}
	err := r.cfg.Keyring.Publish(record.Credentials())
	if errors.Is(err, ErrStaleGeneration) {
		return nil // somebody else has published it, or a newer one
	}
	return err
}
