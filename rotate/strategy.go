package rotate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// Strategy is how a key is turned.
type Strategy uint8

// The strategies.
const (
	// ResetInPlace resets the key: it keeps its id, its client id and its place, and its old secret ends at once. An asymmetric key,
	// which has none, is refused.
	ResetInPlace Strategy = iota
	// Replace creates a second key with the scope and the features of the first, moves every session to it, and removes the first
	// after Config.Overlap. Both work in between, so that no lost answer locks anybody out. It needs a free place among the account's
	// eight keys and Config.SecondFactor. The key's client id, id and name are others afterwards: Config.KeyID and the keyring are
	// followed, what else names the key is the caller's. Config.Authority, if it is of the key itself, must follow the keyring too. A key
	// with an IP whitelist is refused, for none can be given to a new key.
	//
	// It is the one way to turn an asymmetric key, whose private half the store and the keyring have as [session.Credentials] take it.
	// The new key is one of Ed25519 whatever the old one is, as the exchange recommends, and its private half is stored before the
	// exchange is given the public one.
	Replace
)

// String returns the strategy's name.
func (s Strategy) String() string {
	switch s {
	case ResetInPlace:
		return "reset in place"
	case Replace:
		return "replace"
	}
	return fmt.Sprintf("Strategy(%d)", uint8(s))
}

// LeftoverKeyError is a key that has been replaced and could not be removed: all sessions use the new one. Recover tries again.
type LeftoverKeyError struct {
	KeyID    int64
	ClientID string
	Err      error
}

// Error says what to do.
func (e *LeftoverKeyError) Error() string {
	if errors.Is(e.Err, errNewRefused) {
		return fmt.Sprintf("rotate: the old key %d (%s) is kept: call Recover, which makes it the current one again if it works: %v", e.KeyID, e.ClientID, e.Err)
	}
	return fmt.Sprintf("rotate: the new key is used, but the old key %d (%s) may still work: call Recover, or remove it on the exchange's website: %v",
		e.KeyID, e.ClientID, e.Err)
}

// Unwrap returns the reason.
func (e *LeftoverKeyError) Unwrap() error { return e.Err }

// KeyInUseError is a key that has been replaced and is in use again, as after a person has published it: it is not removed.
type KeyInUseError struct {
	KeyID    int64
	ClientID string
	Users    []string // the names of sessions, "Config.Authority" and "Config.Keyring"
}

// Error says what to do.
func (e *KeyInUseError) Error() string {
	return fmt.Sprintf("rotate: the replaced key %d (%s) is in use again by %s, so it was not removed. Load the store's record, "+
		"Publish its credentials with Generation = keyring.Current().Generation+1, call Recover",
		e.KeyID, e.ClientID, strings.Join(e.Users, ", "))
}

// maxFormer bounds how many replaced keys a record remembers: a process that follows the store may be as many behind.
const maxFormer = 16

// replaced reports whether credentials are of a key that the record's has replaced.
func (r *Record) replaced(creds session.Credentials) bool {
	return r.ClientID != creds.ClientID && slices.Contains(r.Former, creds.ClientID) && r.Current.Generation > creds.Generation
}

// replacing returns a copy of the record's replacement, which is the record's own, if it is still this one and the lease is held.
func (r *Record) replacing(h holder, id string, now time.Time) (*Replacement, error) {
	if err := r.renew(h, now); err != nil {
		return nil, err
	}
	if r.Replacement == nil || r.Replacement.ID != id {
		return nil, errMoved
	}
	r.Replacement = new(*r.Replacement)
	return r.Replacement, nil
}

// isStored reports whether the new key is known and not yet the current one. There may be no replacement.
func (p *Replacement) isStored() bool { return p != nil && p.KeyID != 0 && p.Promoted.IsZero() }

// keepsOld reports whether the old key is known, which the new one has replaced. There may be no replacement.
func (p *Replacement) keepsOld() bool { return p != nil && !p.Promoted.IsZero() && !p.Secret.IsZero() }

// credentials are of the key that is not the current one: the new one while it is stored, then the old one.
func (p *Replacement) credentials() session.Credentials {
	return session.Credentials{ClientID: p.ClientID, Secret: p.Secret}
}

// replace makes the new key, which the exchange has taken, the record's, and keeps the old one until that is removed: the same makes it
// the record's again. above is a generation that the new one must be above. An intent is of the old key, which nobody relies on any more.
func (r *Record) replace(p *Replacement, above uint64, now time.Time) {
	next := Candidate{Secret: p.Secret, Generation: max(r.newest(), above) + 1, Rotation: p.ID, Received: now}
	former := append(slices.Clone(r.Former), r.ClientID)
	r.Former = former[max(0, len(former)-maxFormer):]
	r.KeyID, p.KeyID = p.KeyID, r.KeyID
	r.ClientID, p.ClientID = p.ClientID, r.ClientID
	p.Secret, p.Promoted = r.Current.Secret, now
	r.Current, r.Candidates, r.Intent = next, nil, nil
}
