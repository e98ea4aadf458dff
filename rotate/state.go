package rotate

import (
	"fmt"
	"slices"
)

// state is where a rotation stands.
type state uint8

// The states of a rotation.
const (
	idle       state = iota // nothing is under way
	leased                  // this rotator alone works on the key
	prepared                // the intent is durable
	resetting               // the reset may be executed at any moment
	challenged              // the exchange wants a second factor; nothing was executed
	received                // the new secret is in memory, and nowhere else
	unsaved                 // and the store does not take it
	durable                 // the new secret is stored, as a candidate
	verified                // the exchange takes it
	promoted                // it is the current one, and published
	reauthing               // sessions are taking it
	settling                // all have
	degraded                // some have not
	aborted                 // the reset was surely not executed
	unknown                 // it may have been executed, or a secret does not work
	probing                 // the secrets that are known are tried
	lockedOut               // none of them works
)

// edges is the transition table: where each state may go. A rotation ends in idle, or where it cannot go on: Recover then
// takes it up again.
var edges = map[state][]state{
	idle:       {leased},
	leased:     {prepared, aborted, unknown},
	prepared:   {resetting, aborted},
	resetting:  {received, challenged, aborted, unknown},
	challenged: {resetting, aborted},
	received:   {durable, unsaved},
	unsaved:    {durable},
	durable:    {verified, unknown},
	verified:   {promoted, unknown},
	promoted:   {reauthing},
	reauthing:  {settling, degraded},
	settling:   {idle},
	degraded:   {},
	aborted:    {idle},
	unknown:    {probing},
	probing:    {verified, lockedOut},
	lockedOut:  {},
}

func (s state) mayGo(to state) bool { return slices.Contains(edges[s], to) }

// String returns the state's name.
func (s state) String() string {
	names := [...]string{
		"idle", "leased", "prepared", "resetting", "challenged", "received", "unsaved", "durable", "verified", "promoted",
		"reauthing", "settling", "degraded", "aborted", "unknown", "probing", "locked out",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}
