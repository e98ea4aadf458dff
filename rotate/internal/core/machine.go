package core

import "fmt"

// Goal is what a rotation is begun for.
type Goal uint8

// The goals.
const (
	Rotate  Goal = iota // reset the key
	Preview             // do all that comes before the reset
	Recover             // find out which secret works: one was left unfinished, or the current one is refused
	CatchUp             // have sessions take the current secret that an earlier rotation has left behind
)

// Machine is where a rotation stands and what it has learnt. It is a value: a copy is a snapshot.
type Machine struct {
	State State
	Goal  Goal
	Heal  bool // a reset by somebody else is answered with another one
	// Doubt says that the current secret is not known to work.
	Doubt bool
	// Ours says that a reset which this rotation or an earlier one has sent may be why.
	Ours bool
	// Open is how many resets may yet be executed, since no answer came.
	Open int
	// Confirmed says that all secrets were refused before: the record was looked at again since.
	Confirmed bool
	// Attempt is how often the effect to perform has been performed in vain: there is a pause before it if it is above 0.
	Attempt int
	// Secret is which secret of the record is tried, counted from the newest.
	Secret int
	// Authority is which one sends the reset. Unheard says that one of those before it could not be reached.
	Authority int
	Unheard   bool
	// Rounds is how often the second factor was asked for by the present authority, and Sends how often a reset was sent.
	Rounds, Sends int

	ledger Ledger
}

// Rests reports whether the rotation has ended, or cannot go on, if there is nothing to perform: an end of it elsewhere than in
// Idle, Degraded or LockedOut is an interruption, which Recover takes up.
func (m Machine) Rests() bool { return m.State == Idle || m.State == Degraded || m.State == LockedOut }

// MaxRounds bounds how often one authority is asked for the second factor.
const MaxRounds = 2

// MaxUnsent bounds how often a first reset of which no byte has left is sent again.
const MaxUnsent = 3

// MaxOpen bounds how many resets may be without an answer before a person is told, if nobody can send them but with the key's own
// tokens: an exchange that closes the key's connections before it answers does so each time.
const MaxOpen = 5

// InVain reports whether that is so.
func (m Machine) InVain() bool { return m.Open >= MaxOpen && !m.ledger.Independent }

// Start returns the first machine of a rotation and what to perform.
func Start(goal Goal, heal bool) (Machine, []Effect) {
	if goal == CatchUp {
		return Machine{State: Promoted, Goal: goal}, []Effect{Publish}
	}
	return Machine{Goal: goal, Heal: heal}, []Effect{TakeLease}
}

// Step returns what follows from an event: the machine, the number of the transition, or 0 for a step within a state that the
// table does not number, and the effects to perform. It panics on an event that no effect could have had in this state.
func Step(m Machine, e Event) (Machine, Transition, []Effect) {
	if e.Kind == LeaseTaken || e.Kind == Retaken {
		m.ledger = e.Ledger
	}
	for _, r := range table {
		if !r.applies(m, e) {
			continue
		}
		if r.to != same && r.to != m.State {
			m.State, m.Attempt = r.to, 0
		}
		if r.then != nil {
			r.then(&m)
		}
		return m, r.number, r.do
	}
	panic(fmt.Sprintf("core: %v in state %v", e.Kind, m.State))
}
