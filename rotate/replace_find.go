package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// What becomes of an asymmetric key whose creation was not answered, where the old one is dead: its private half is in the store, and the
// exchange lists each key's public one.

// errUnfound is such a key that is not to be had.
var errUnfound = errors.New("not found by its public key")

// errNoFinder is a lock-out from which somebody with another key could help.
var errNoFinder = fmt.Errorf("%w: Config.Authority is no session of another key", errUnfound)

// isFindable reports whether the new key may have been created, and can be told by its public half. There may be no replacement.
func (p *Replacement) isFindable() bool {
	return p != nil && p.KeyID == 0 && p.Promoted.IsZero() && !p.Secret.IsZero()
}

// find puts the new key on record, now or once its creation cannot be executed any more. cause is why its number is not known.
func (r *replacement) find(ctx context.Context, cause error) error {
	key, err := r.look(ctx)
	if errors.Is(err, errUnfound) && !errors.Is(err, errNoFinder) {
		if err = r.linger(ctx, r.lastCreation()); err == nil {
			key, err = r.look(ctx)
		}
	}
	if err == nil {
		r.key = key
		err = r.step(ctx, StepStore, func(ctx context.Context) error {
			return r.change(ctx, func(_ *Record, p *Replacement) { p.KeyID, p.ClientID = key.ID, key.ClientID })
		})
	}
	if err != nil {
		return fmt.Errorf("rotate: the exchange refuses the old key, and the new one, %s, is not known: call Recover, which looks for it: %w",
			r.seen.Replacement.Name, errors.Join(cause, err))
	}
	r.enter(ctx, core.Durable)
	return nil
}

// look asks an authority of another key for the key that has the public half of the stored private one.
func (r *replacement) look(ctx context.Context) (APIKey, error) {
	finder, private := r.cfg.Authority, r.seen.Replacement.Secret
	if !r.isIndependent(finder) {
		return APIKey{}, errNoFinder
	}
	if err := r.waitFor(ctx, finder); err != nil {
		return APIKey{}, err
	}
	r.authorities = []Authority{finder}
	keys, err := r.listKeys(ctx, keyParams{})
	if err != nil {
		return APIKey{}, err
	}
	i := slices.IndexFunc(keys, func(k APIKey) bool { return isPublicHalf(k.PublicKey, private) })
	switch {
	case i < 0:
		return APIKey{}, fmt.Errorf("%w among %d: it was not created", errUnfound, len(keys))
	case !keys[i].Enabled:
		return APIKey{}, fmt.Errorf("key %d is disabled: enable it", keys[i].ID)
	}
	keys[i].Secret = private // what came there is a fingerprint
	return keys[i], nil
}
