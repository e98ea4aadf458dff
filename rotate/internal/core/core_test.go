package core_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// situation is a machine, what is to be performed, and what the performed effects have left outside of it.
type situation struct {
	machine core.Machine
	effects string // names, for a situation is a map's key
	shut    bool   // the gate
	armed   bool   // the store says that a reset may have left
	rescue  bool   // somebody may have a token to reset the key with
}

// explorer walks through every situation that can be reached, with counters bounded.
type explorer struct {
	t           *testing.T
	seen        map[situation]bool
	todo        map[situation][]core.Effect
	transitions [core.Transitions]int
	states      [core.States]int
}

// ledgers are what a record may say.
var ledgers = []core.Ledger{
	{Secrets: 1},
	{Secrets: 1, Authorities: 1},
	{Secrets: 2, Authorities: 2},
	{Unfinished: true, Secrets: 1, Authorities: 1},
	{Unfinished: true, Secrets: 2, Sent: true, Authorities: 2},
	{Unfinished: true, Secrets: 1, Sent: true, Recent: true},
	{Unfinished: true, Secrets: 2, Sent: true, Recent: true, Authorities: 2},
	{Unfinished: true, Secrets: 2, News: true},
}

// TestEveryMachine performs every effect with every answer, from every beginning: no answer is unforeseen, no rotation stands still
// but at an end, and what the rows do in their order keeps the rules.
func TestEveryMachine(t *testing.T) {
	t.Parallel()
	x := &explorer{t: t, seen: map[situation]bool{}, todo: map[situation][]core.Effect{}}
	for _, goal := range []core.Goal{core.Rotate, core.Preview, core.Recover, core.CatchUp} {
		for _, heal := range []bool{false, true} {
			m, effects := core.Start(goal, heal)
			x.add(situation{machine: m}, effects)
		}
	}
	for len(x.todo) > 0 && !t.Failed() {
		for s, effects := range x.todo {
			delete(x.todo, s)
			x.perform(s, effects)
		}
	}
	for number, times := range x.transitions[1:] {
		if times == 0 {
			t.Errorf("T%d is never taken", number+1)
		}
	}
	for state, times := range x.states {
		if times == 0 {
			t.Errorf("%v is never reached", core.State(state))
		}
	}
	for _, row := range core.Unused() {
		t.Errorf("row %d of the table never applies", row)
	}
	t.Logf("%d situations", len(x.seen))
}

func (x *explorer) add(s situation, effects []core.Effect) {
	m := s.machine
	if m.Open > 2 || m.Sends > 4 || m.Attempt > 5 {
		return
	}
	s.effects = ""
	for _, e := range effects {
		s.effects += e.String() + " "
	}
	if !x.seen[s] {
		x.seen[s] = true
		x.todo[s] = effects
		x.states[m.State]++
	}
}

// perform performs effects in their order, and goes on from each answer that one may have.
func (x *explorer) perform(s situation, effects []core.Effect) {
	for _, effect := range effects {
		x.judge(s, effect)
		answers, silent := effect.Answers()
		for _, kind := range answers {
			if kind == core.LeaseTaken || kind == core.Retaken {
				for _, ledger := range ledgers {
					x.step(s, core.Event{Kind: kind, Ledger: ledger})
				}
				continue
			}
			x.step(s, core.Event{Kind: kind})
		}
		if !silent {
			return
		}
		s = after(s, effect)
	}
	if m := s.machine; len(effects) > 0 {
		x.t.Errorf("%v: its effects may all be silent: %v", m.State, effects)
	}
}

// after is what an effect without an answer leaves.
func after(s situation, effect core.Effect) situation {
	s.shut = s.shut && effect != core.OpenGate || effect == core.ShutGate
	s.armed = s.armed && effect != core.ClearIntent
	s.rescue = s.rescue && effect != core.Forgo
	return s
}

// judge holds an effect against what must be so when it is performed.
func (x *explorer) judge(s situation, effect core.Effect) {
	m := s.machine
	rule := func(ok bool, text string) {
		if !ok {
			x.t.Errorf("%v before %v, %+v: %s", m.State, effect, m, text)
		}
	}
	inMemory := m.State == core.Received || m.State == core.Unsaved
	safe := !m.Doubt && m.Open == 0
	rule(effect != core.Send || s.shut, "a reset leaves while sessions may authenticate with what it ends")
	rule(effect != core.Send || s.armed, "a reset leaves of which the store knows nothing")
	rule(effect != core.OpenGate || !m.Doubt, "sessions would authenticate with a secret that may be dead")
	rule(effect != core.Publish || !m.Doubt, "a secret is published that the exchange has not taken")
	rule(effect != core.ClearIntent || safe, "the intent is cleared though a reset may be executed")
	rule(effect != core.Forgo || safe && !inMemory, "a token is given up that may be needed")
	rule(effect != core.Store || inMemory, "there is nothing to store")
}

func (x *explorer) step(s situation, e core.Event) {
	before := s.machine
	next, number, effects := core.Step(before, e)
	x.transitions[number]++
	s.machine = next
	s.armed = s.armed || e.Kind == core.Armed
	s.rescue = s.rescue || e.Kind == core.Intended
	s.shut = s.shut && e.Kind != core.Published
	if len(effects) == 0 && e.Kind != core.Released && !next.Rests() {
		x.t.Errorf("%v after %v: it stands still", next.State, e.Kind)
	}
	if next.Open < 0 || next.Secret < 0 || next.State == core.LockedOut && !next.Doubt {
		x.t.Errorf("%v after %v: %+v", next.State, e.Kind, next)
	}
	x.add(s, effects)
}
