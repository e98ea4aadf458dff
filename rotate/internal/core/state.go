package core

import "fmt"

// State is where a rotation stands.
type State uint8

// The states of a rotation.
const (
	Idle       State = iota // nothing is under way
	Leased                  // this rotator alone works on the key
	Prepared                // the intent is durable
	Resetting               // the reset may be executed at any moment
	Challenged              // the exchange wants a second factor; this reset was not executed
	Received                // the new secret is in memory, and nowhere else
	Unsaved                 // and the store does not take it
	Durable                 // the new secret is stored, as a candidate
	Verified                // the exchange takes it
	Promoted                // it is the current one
	Reauthing               // sessions are taking it
	Settling                // all have; a reset that was never answered may yet be executed
	Degraded                // as Settling, but some sessions have not
	Aborted                 // no reset was executed
	Unknown                 // one may have been, or a secret does not work
	Probing                 // the secrets that are known are tried
	LockedOut               // none of them works, and nobody is left who could reset the key
)

// States are all of them.
const States = int(LockedOut) + 1

// String returns the state's name.
func (s State) String() string {
	names := [States]string{
		"idle", "leased", "prepared", "resetting", "challenged", "received", "unsaved", "durable", "verified", "promoted",
		"reauthing", "settling", "degraded", "aborted", "unknown", "probing", "locked out",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Transition numbers the rows of the failure model's table, from 1.
type Transition uint8

// The transitions.
const (
	T1  Transition = 1 + iota // the lease is taken
	T2                        // all checks have passed, and the intent is durable
	T3                        // something stood in the way before the reset
	T4                        // the reset is sent
	T5                        // the exchange asks for a second factor, and is answered
	T6                        // it does not accept the answer, or there is none
	T7                        // it refuses the reset: it was not executed
	T8                        // too many requests: the session ends, whatever became of the reset
	T9                        // the new secret has come
	T10                       // the reset has no answer, or none that makes sense
	T11                       // the new secret is durable
	T12                       // the store does not take it
	T13                       // the exchange takes it
	T14                       // the exchange refuses it: somebody has reset the key since
	T15                       // it is the current one, by compare-and-swap
	T16                       // the lease is held, and the intent stands: the known secrets are tried
	T17                       // one of them works
	T18                       // none works: another reset, by whoever has authority
	T19                       // nobody has
	T20                       // the new secret is published
	T21                       // every session has taken it
	T22                       // some have not
	T23                       // nothing is left to be executed late: the rotation is over
	T24                       // a reset was executed late, or somebody else's was
)

// Transitions are all of them, and 0 for steps within a state.
const Transitions = int(T24) + 1

// String returns T and the number.
func (t Transition) String() string { return fmt.Sprintf("T%d", uint8(t)) }
