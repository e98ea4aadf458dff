package rotate_test

import "math/rand/v2"

// simFault is what may go wrong.
type simFault int

const (
	faultCrash simFault = iota
	faultPause
	faultSlow
	faultClose
	faultClock
	faultLoad
	faultSave
	faultSaved
	faultOutage
	faultConflict
	faultWatch
	faultSpare
	faultRestore
	faultForeign
	faultCheck
	faultVeto
	faultMint
	faultRedeem
	faultNotSent
	faultPassing
	faultLostRequest
	faultLate
	faultTooMany
	faultForbidden
	faultLostReply
	faultLateReply
	faultMalformed
	faultDuplicate
	faultNoCode
	faultStale
	faultWrongCode
	faultTry
	faultOddTry
	faultSession
	faultConnection

	simFaultKinds = int(faultConnection) + 1
)

// simFaultTable is what the faults are, and how often of a thousand times it strikes, if a seed has it at all.
var simFaultTable = [simFaultKinds]struct {
	name string
	rate int
}{
	faultCrash:       {"crash", 12},
	faultPause:       {"pause of 1-120 s", 8},
	faultSlow:        {"pause with a secret in hand", 200},
	faultClose:       {"close", 4},
	faultClock:       {"clock step", 4},
	faultLoad:        {"load fails", 8},
	faultSave:        {"save fails", 30},
	faultSaved:       {"saved, but fails", 30},
	faultOutage:      {"store down for minutes", 8},
	faultConflict:    {"conflict", 30},
	faultWatch:       {"watch late", 100},
	faultSpare:       {"spare store fails", 200},
	faultRestore:     {"store restored", 20},
	faultForeign:     {"foreign reset", 20},
	faultCheck:       {"check fails", 30},
	faultVeto:        {"hook vetoes", 20},
	faultMint:        {"no rescue token", 50},
	faultRedeem:      {"rescue token out of reach", 100},
	faultNotSent:     {"not sent", 80},
	faultPassing:     {"passing refusal", 40},
	faultLostRequest: {"request lost", 80},
	faultLate:        {"late execution", 100},
	faultTooMany:     {"too many requests", 50},
	faultForbidden:   {"authority forbidden", 30},
	faultLostReply:   {"reply lost", 100},
	faultLateReply:   {"reply late", 100},
	faultMalformed:   {"reply malformed", 50},
	faultDuplicate:   {"reply twice", 50},
	faultNoCode:      {"no code", 100},
	faultStale:       {"code stale", 200},
	faultWrongCode:   {"code wrong", 60},
	faultTry:         {"try out of reach", 100},
	faultOddTry:      {"try refused for another reason", 50},
	faultSession:     {"session refuses", 60},
	faultConnection:  {"connection lost", 15},
}

// simFaults are those of a seed.
type simFaults struct {
	rates [simFaultKinds]int
	fired [simFaultKinds]int
	total int
}

// draw gives a seed some of the faults, more or less of each: who has them all at once hides what two of them do together.
func (f *simFaults) draw(rng *rand.Rand) {
	for kind, entry := range simFaultTable {
		if rng.IntN(2) == 0 {
			f.rates[kind] = entry.rate * (1 + rng.IntN(3)) / 2
		}
	}
	f.rates[faultLostRequest] += 5 // no seed is without any
}

// strike reports whether a fault befalls what is happening.
func (w *sim) strike(kind simFault) bool {
	if w.calm || w.rng.IntN(1000) >= w.faults.rates[kind] {
		return false
	}
	w.faults.fired[kind]++
	w.faults.total++
	if w.traced {
		w.note("  FAULT %s", simFaultTable[kind].name)
	}
	return true
}
