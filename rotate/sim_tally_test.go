package rotate_test

import (
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// simTally counts what has happened, in a world, or in many.
type simTally struct {
	seeds, rotations, steps int
	faults                  [simFaultKinds]int
	fewest                  int // faults in a seed
	transitions             [core.Transitions]int
	failures                [41]int // of the failure model's table, from 1
	ends                    [core.States]int
	lockouts                map[string]int // by why
	supplied                bool           // a person has published a secret
	hopeless                int            // worlds in which only a person can help
	refusedLogins           int            // within an hour, at most
	settling                [8]int         // worlds by how long after the faults they have settled, in steps of 10 s
	broken                  map[uint64]string
}

func (t *simTally) init() { t.lockouts, t.broken = map[string]int{}, map[uint64]string{} }

// simUnreachable are the failures that a simulation of the core cannot have, and who has them.
var simUnreachable = map[int]string{
	19: "a record is whole here: rotate/filestore tears it",
	31: "no calls are made here: package session has them",
	34: "nothing is owed to programs that do not use the store",
}

// simEvents are failures that an event is.
var simEvents = map[core.EventKind]int{
	core.NotSent: 6, core.NoCode: 9, core.FactorStale: 9, core.FactorRefused: 9, core.Refused: 11, core.TooMany: 12, core.Unreachable: 23,
	core.SomeLeft: 28,
}

// simDeaths are failures that a crash in a state is.
var simDeaths = [core.States][]int{
	core.Leased: {1, 3}, core.Prepared: {3}, core.Resetting: {15}, core.Received: {15}, core.Unsaved: {15}, core.Durable: {22},
	core.Verified: {22}, core.Promoted: {27}, core.Reauthing: {27}, core.Settling: {35}, core.Degraded: {35},
}

func (t *simTally) met(failure int) { t.failures[failure]++ }

// step counts a step of a machine.
func (t *simTally) step(p *simProcess, before core.Machine, kind core.EventKind, number core.Transition) {
	t.transitions[number]++
	if before.Doubt && (kind == core.NotSent || kind == core.Refused) || kind == core.Unreachable && before.State != core.Durable {
		kind = core.LeaseTaken // these are of no interest
	}
	if failure, ok := simEvents[kind]; ok {
		t.met(failure)
	}
	if number == core.T19 && !p.config.admin && p.config.revokes {
		t.met(14)
	}
	if number == core.T15 && before.Sends > 0 {
		t.rotations++
	}
}

// crashed counts a death by when it comes.
func (t *simTally) crashed(p *simProcess) {
	r := p.flight
	if r == nil {
		return
	}
	state, last := r.machine.State, p.exchange.last
	if state == core.Resetting && (last == nil || !last.open || last.by != p) {
		return // nothing had come of the reset yet
	}
	for _, failure := range simDeaths[state] {
		t.met(failure)
	}
}

// conflict counts a record that somebody else has changed.
func (t *simTally) conflict(p *simProcess) {
	if s := p.flight.machine.State; s == core.Received || s == core.Unsaved {
		t.met(21)
	}
}
