package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// acquire takes the lease, and makes the record and the keyring agree.
func (r *rotation) acquire(ctx context.Context) error {
	if err := r.bootstrap(ctx); err != nil {
		return err
	}
	record, err := r.journal.update(ctx, func(record *Record) error {
		if err := r.reconcile(record); err != nil {
			return err
		}
		return r.take(record)
	})
	if err != nil {
		return err
	}
	r.lease = *record.Lease
	r.keyID = record.KeyID
	r.old = record.Current
	return r.adopt(record)
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

// take takes the lease unless it is another's.
func (r *rotation) take(record *Record) error {
	now := time.Now()
	next := Lease{Owner: r.owner, Epoch: 1, Expires: now.Add(r.cfg.LeaseTTL)}
	if old := record.Lease; old != nil {
		if old.Owner != "" && old.Owner != r.owner && now.Before(old.Expires) {
			return &LeaseHeldError{Owner: old.Owner, Expires: old.Expires}
		}
		next.Epoch = old.Epoch + 1
	}
	record.Lease = &next
	return nil
}

// renew gives the lease its full time again, if it still is this rotation's.
func (r *rotation) renew(record *Record) error {
	if !r.holds(*record) {
		return ErrLeaseLost
	}
	record.Lease = &Lease{Owner: r.owner, Epoch: r.lease.Epoch, Expires: time.Now().Add(r.cfg.LeaseTTL)}
	return nil
}

func (r *rotation) holds(record Record) bool {
	return record.Lease != nil && record.Lease.Owner == r.owner && record.Lease.Epoch == r.lease.Epoch
}

// release frees the lease; its epoch stays.
func (r *rotation) release(ctx context.Context) {
	if r.lease.Epoch == 0 {
		return
	}
	_, err := r.journal.update(ctx, func(record *Record) error {
		if !r.holds(*record) {
			return ErrLeaseLost
		}
		record.Lease = &Lease{Epoch: r.lease.Epoch}
		return nil
	})
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		r.warn(ctx, "rotation lease: it will expire", err)
	}
}

// reconcile makes the record the keyring's: a person may have published what the record does not have yet.
func (r *rotation) reconcile(record *Record) error {
	creds := r.cfg.Keyring.Current()
	switch {
	case record.ClientID != creds.ClientID:
		return fmt.Errorf("%w: the store is of key %s, the keyring of %s", ErrMismatch, record.ClientID, creds.ClientID)
	case record.KeyID != 0 && r.cfg.KeyID != 0 && record.KeyID != r.cfg.KeyID:
		return fmt.Errorf("%w: the store is of key %d, Config.KeyID is %d", ErrMismatch, record.KeyID, r.cfg.KeyID)
	case record.Current.Generation == creds.Generation && !record.Current.Secret.Equal(creds.Secret):
		return fmt.Errorf("%w: two secrets of generation %d: %s in the store, %s in the keyring: "+
			"give the keyring what the store has, or a greater generation if the keyring's is the newer secret",
			ErrMismatch, creds.Generation, record.Current.Secret.Fingerprint(), creds.Secret.Fingerprint())
	}
	if record.KeyID == 0 {
		record.KeyID = r.cfg.KeyID
	}
	if creds.Generation > record.Current.Generation {
		replaced := record.Current
		record.Current = Candidate{Secret: creds.Secret, Generation: creds.Generation, Received: time.Now()}
		if !replaced.Secret.IsZero() && !record.has(replaced.Secret) {
			record.Candidates = append([]Candidate{replaced}, record.Candidates...)
		}
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
