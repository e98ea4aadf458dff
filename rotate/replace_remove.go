package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
	if err := r.remove(ctx, old.KeyID, old.ClientID); err != nil {
		return err
	}
	return r.change(ctx, func(record *Record, _ *Replacement) { record.Replacement = nil })
}

// remove removes a key. One that is gone already is as good.
func (r *replacement) remove(ctx context.Context, id int64, clientID string) error {
	if id == r.seen.KeyID || clientID == r.seen.ClientID {
		return fmt.Errorf("%w: key %d is the current one", ErrMismatch, id)
	}
	r.authorities = r.appealTo(r.seen)
	if len(r.authorities) == 0 {
		return errAuthority
	}
	if err := r.waitFor(ctx, r.authorities[0]); err != nil {
		return err
	}
	raw, err := r.manage(ctx, methodRemove, keyParams{id: id})
	clear(raw)
	if err == nil {
		return nil
	}
	keys, listErr := r.keysOfAccount(ctx)
	if listErr == nil && !slices.ContainsFunc(keys, func(k APIKey) bool { return k.ID == id }) {
		return nil
	}
	return errors.Join(err, listErr)
}

// removeOrphan removes the key with the name of this replacement, and no other.
func (r *replacement) removeOrphan(ctx context.Context) error {
	if r.authorities = r.appealTo(r.seen); len(r.authorities) == 0 {
		return errAuthority
	}
	if err := r.waitFor(ctx, r.authorities[0]); err != nil {
		return err
	}
	keys, err := r.keysOfAccount(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Name == r.seen.Replacement.Name {
			return r.remove(ctx, key.ID, key.ClientID)
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
