package rotate

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Sentinel errors; compare with errors.Is.
var (
	// ErrClosed ends what a closed Rotator was doing, and refuses what it is asked to begin.
	ErrClosed = errors.New("rotate: closed")
	// ErrConfig is a Config that cannot work; the error names the field.
	ErrConfig = errors.New("rotate: config")
	// ErrMismatch is a store that is not the keyring's: it is of another key, or has another secret of the same generation.
	ErrMismatch = errors.New("rotate: the store and the keyring do not belong together")
	// ErrLeaseLost is a lease that another rotator has taken in the meantime.
	ErrLeaseLost = errors.New("rotate: lease lost to another rotator")
	// ErrUnfinished is a rotation that somebody has begun, or a secret that a person has published and nobody has tried: Check and a dry
	// run change no key, and leave that alone.
	ErrUnfinished = errors.New("rotate: a rotation is unfinished: call Recover, which finishes it")
	// ErrNotExecuted is a reset without an answer of which it turned out that the exchange did not execute it: it still took the
	// old secret. Whether an exchange may execute a request long after its connection has ended is not documented; it would be
	// seen at the next authentication.
	ErrNotExecuted = errors.New("rotate: the reset was not executed: rotate again")
	// ErrNoRecoveryAuthority refuses a rotation in which a lost answer could lock the key out.
	ErrNoRecoveryAuthority = errors.New("a lost answer could lock the key out: set Config.Authority to a session of a second key, " +
		"or Config.TokensSurvive if holdfast probe has found that they do, or accept it with Config.AcceptLockout")
	// ErrForeignReset is a key that somebody else has reset: no rotator on this store can have.
	ErrForeignReset = errors.New("rotate: the key was reset by somebody else: set Config.TakeBack to have it reset again")
	// ErrResetsUnanswered is a key of which the exchange has answered no reset, time after time, as one does that closes the key's
	// connections before it answers.
	ErrResetsUnanswered = errors.New("rotate: the exchange answered no reset, though each may have been executed; probably it closes the key's " +
		"connections first (holdfast probe tells). Set Config.Authority to a session of a second key and call Recover: it resets the key once more")
	// ErrNoSecondFactor is a second factor that the exchange asks for where Config.SecondFactor is nil.
	ErrNoSecondFactor = errors.New("rotate: the exchange asks for a second factor: set Config.SecondFactor")
	// ErrReply is an answer of the exchange that is not what its documents say.
	ErrReply = errors.New("rotate: unexpected reply")
)

// LeaseHeldError is a lease that another rotator holds.
type LeaseHeldError struct {
	Owner   string
	Expires time.Time
}

// Error says until when.
func (e *LeaseHeldError) Error() string {
	return fmt.Sprintf("rotate: lease: held by %s until %s: wait, or let that one rotate", e.Owner, e.Expires.UTC().Format(time.RFC3339))
}

// PreflightError is a check before the reset that failed. Nothing was changed.
type PreflightError struct {
	Check string // "sessions", "authority", "clock", "connection", "key" or "store"
	Err   error
}

// Error names the check and the reason.
func (e *PreflightError) Error() string {
	return fmt.Sprintf("rotate: preflight: %s: %v", e.Check, e.Err)
}

// Unwrap returns the reason.
func (e *PreflightError) Unwrap() error { return e.Err }

// HookError is a hook that refused, panicked, or did not return in time.
type HookError struct {
	Hook string
	Err  error
}

// Error names the hook and the reason.
func (e *HookError) Error() string { return fmt.Sprintf("rotate: hook %s: %v", e.Hook, e.Err) }

// Unwrap returns the reason.
func (e *HookError) Unwrap() error { return e.Err }

// SecondFactorError is a second factor that the exchange did not accept. Nothing was executed.
type SecondFactorError struct {
	Reason string // as the exchange names it: tfa_code_not_matched, used_tfa_code, challenge_timeout, tfa_code_is_required
	Err    error
}

// Error names the reason and what to do.
func (e *SecondFactorError) Error() string {
	hint := "try again"
	switch e.Reason {
	case reasonUsed:
		hint = "a code is good for one call: wait for the next one"
	case reasonTimeout:
		hint = "a challenge lives for a minute: answer sooner"
	case reasonNotMatched:
		hint = "check the device and the clock"
	case reasonRequired:
		hint = "Config.SecondFactor must return a code"
	}
	return fmt.Sprintf("rotate: second factor: %q: %s: %v", e.Reason, hint, e.Err)
}

// Unwrap returns the exchange's refusal.
func (e *SecondFactorError) Unwrap() error { return e.Err }

// UnknownOutcomeError is a reset of which nobody knows yet whether it was executed. The store keeps the intent, and the
// keyring's gate stays shut.
type UnknownOutcomeError struct {
	KeyID    int64
	ClientID string
	Err      error
}

// Error says what to do.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("rotate: reset of key %d (%s): outcome unknown: call Recover, which tries the secrets that are known: %v",
		e.KeyID, e.ClientID, e.Err)
}

// Unwrap returns the reason.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// LockedOutError is a key of which the exchange takes none of the secrets that are known. Only a person can go on: what to do depends
// on whether it matches [ErrForeignReset] or [ErrResetsUnanswered], or a code of the second factor is all that was missing: then it holds
// the [*SecondFactorError], or the [*HookError] of Config.SecondFactor, and a Recover that is given a code goes on. Sessions
// that are authenticated may go on with their tokens; what needs the secret waits at the keyring's gate.
type LockedOutError struct {
	KeyID    int64
	ClientID string
	Tried    int // secrets that were refused
	Err      error
}

// Error prints the steps that a person takes.
func (e *LockedOutError) Error() string {
	steps := "1. Reset the key on the exchange's website (API management) or with another key. " +
		"2. keyring.Publish the new secret with Generation = keyring.Current().Generation+1. " +
		"3. Call Recover: it stores it, and the sessions go on"
	if errors.Is(e.Err, errUnusable) {
		steps = "See on the exchange's website (API management) whether the key is disabled: enable it and call Recover. " +
			"If it is gone, create another one, and begin with its credentials, a new Keyring and a new store"
	}
	if errors.Is(e.Err, errNoFinder) {
		steps = "Set Config.Authority to a session of another key of the account and call Recover, which finds the new key, whose private half " +
			"is stored, by its public one. Without another key: " + steps
	}
	if errors.Is(e.Err, ErrResetsUnanswered) {
		steps = "Set Config.Authority to a session of a second key and call Recover, which resets the key once more. Without a second key: " + steps
	}
	if isMissedCode(e.Err) {
		steps = "Call Recover and answer with a code when it asks for the second factor: it resets the key again. If no code can be had: " + steps
	}
	return fmt.Sprintf("rotate: locked out of key %d (%s): the exchange refused all %d known secrets. Do not restart what still runs. %s: %v",
		e.KeyID, e.ClientID, e.Tried, steps, e.Err)
}

// Unwrap returns the reason.
func (e *LockedOutError) Unwrap() error { return e.Err }

// UnsavedError is a secret that the exchange gave and that could not be stored before the Rotator had to stop, or that is
// of another key than the one to rotate. It exists in Key alone: save it.
type UnsavedError struct {
	Key APIKey
	Err error
}

// Error says what to do.
func (e *UnsavedError) Error() string {
	return fmt.Sprintf("rotate: the new secret of key %d (%s) is not stored: save UnsavedError.Key.Secret before the process ends: %v",
		e.Key.ID, e.Key.ClientID, e.Err)
}

// Unwrap returns the store's error.
func (e *UnsavedError) Unwrap() error { return e.Err }

// DegradedError is a rotation after which some sessions have not authenticated with the new secret. They go on with their
// tokens if the exchange lets them, and take the new secret when they authenticate next.
type DegradedError struct {
	Sessions []string
	Err      error
}

// Error names the sessions.
func (e *DegradedError) Error() string {
	return fmt.Sprintf("rotate: the new secret is stored and published, but sessions %s have not re-authenticated: Reauthenticate or Reconnect them: %v",
		strings.Join(e.Sessions, ", "), e.Err)
}

// Unwrap returns the sessions' errors.
func (e *DegradedError) Unwrap() error { return e.Err }
