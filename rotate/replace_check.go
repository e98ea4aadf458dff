package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// preflightReplace checks all that can be checked before a second key is created.
func (r *replacement) preflightReplace(ctx context.Context) error {
	return r.runChecks(ctx, []check{
		{"sessions", r.checkSessions},
		{"authority", r.checkAuthority},
		{"clock", r.checkClock},
		{"connection", r.checkThrowaway},
		{"key", r.checkTemplate},
		{"store", r.checkStore},
	})
}

// errStays is an authority that would be left with the old key.
var errStays = errors.New("Config.Authority is not seen to be of another key than the one that is replaced, nor to follow Config.Keyring: " +
	"dial it with that as its Credentials, or set Config.Authority to a session of another key")

// checkAuthority refuses an authority that would be left with the old key. Whether one of Config.Sessions follows the keyring turns out when it
// is to take the new key.
func (r *replacement) checkAuthority(ctx context.Context) error {
	if err := r.waitFor(ctx, r.authorities[0]); err != nil {
		return err
	}
	if r.cfg.Authority == nil || r.isIndependent(r.cfg.Authority) {
		return nil
	}
	if s, ok := r.cfg.Authority.(Session); !ok || s.Generation() != r.cfg.Keyring.Current().Generation {
		return errStays
	}
	return nil
}

// moveAuthority has an authority of the old key take the new one. After the sessions it may be one of them, and have it already.
func (r *replacement) moveAuthority(ctx context.Context, old *Replacement) core.EventKind {
	a := r.cfg.Authority
	if !isOf(a, old.ClientID) {
		return core.AllThrough
	}
	name, err := "Config.Authority", errStays
	if s, ok := a.(Session); ok {
		wave := 0
		for _, before := range r.report.Sessions {
			wave = max(wave, before.Wave+1)
		}
		name, err = s.Name(), r.runWave(ctx, wave, []member{{Session: s, before: s.Channels()}})[0]
	}
	if err == nil && isOf(a, old.ClientID) {
		err = errStays
	}
	if err != nil {
		r.left = &DegradedError{Sessions: []string{name}, Err: err}
		return core.SomeLeft
	}
	return core.AllThrough
}

// checkTemplate finds the key, and sees that another one can take its place.
func (r *replacement) checkTemplate(ctx context.Context) error {
	keys, err := r.listKeys(ctx, keyParams{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k APIKey) bool { return k.ClientID == r.report.ClientID })
	if i < 0 {
		return fmt.Errorf("the authority sees no key with client id %s among %d", r.report.ClientID, len(keys))
	}
	key := keys[i]
	key.Secret = session.Secret{}
	switch {
	case r.keyID != 0 && r.keyID != key.ID:
		return fmt.Errorf("client id %s belongs to key %d, not %d", key.ClientID, key.ID, r.keyID)
	case len(keys) >= maxKeys:
		return fmt.Errorf("the account has %d keys, and no place for another one: remove one", len(keys))
	case !key.Enabled:
		return fmt.Errorf("key %d is disabled: enable it first", key.ID)
	case len(key.IPWhitelist) > 0:
		return fmt.Errorf("key %d has an IP whitelist, which a new key cannot be created with", key.ID)
	case !r.isIndependent(r.authorities[0]) && !slices.Contains(key.MaxScope, "account:read_write"):
		return fmt.Errorf("key %d lacks account:read_write: set Config.Authority to a session that has it", key.ID)
	}
	if err := checkHalves(key, r.old.Secret); err != nil {
		return err
	}
	r.keyID, r.template = key.ID, key
	return nil
}

// takeAnew has a session authenticate with what the Keyring has. Whether an exchange takes another key on a connection is not
// documented: where it refuses, the session is moved to a new connection.
func (r *rotation) takeAnew(ctx context.Context, s Session) error {
	err := s.Reauthenticate(ctx)
	if err == nil || isOf(s, r.cfg.Keyring.Current().ClientID) {
		return err
	}
	if _, refused := errors.AsType[*rpc.Error](err); !refused {
		return err
	}
	if moved := s.Reconnect(ctx); moved != nil {
		return fmt.Errorf("move to a new connection: %w", moved)
	}
	return nil
}
