package rotate_test

import (
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// check holds the world against the rules.
func (w *sim) check() {
	x, record := &w.exchange, &w.store.record
	if record.Intent == nil && !record.Current.Secret.Equal(x.secret) && !x.excused.Equal(x.secret) {
		w.breaks("R9: no intent, and the current secret is not the exchange's")
	}
	if !w.anybody() && !x.unrescued && !w.config.revokes {
		w.breaks("R2: nobody can authenticate or reset the key")
	}
}

// anybody reports whether somebody can authenticate, or reset the key.
func (w *sim) anybody() bool {
	x := &w.exchange
	if w.config.admin || x.person || w.store.record.Has(x.secret) || w.store.spare.Secret.Equal(x.secret) {
		return true
	}
	if last := x.last; last != nil && last.open && last.by.life == last.life {
		return true
	}
	if intent := w.store.record.Intent; intent != nil && x.isRescue(intent.Rescue) {
		return true
	}
	return slices.ContainsFunc(w.processes, (*simProcess).can)
}

// can reports whether a process can authenticate, or reset the key.
func (p *simProcess) can() bool {
	if slices.ContainsFunc(p.sessions, (*simSession).alive) {
		return true
	}
	r := p.flight
	return r != nil && (r.key.Equal(p.exchange.secret) || p.exchange.isRescue(r.rescue))
}

// checkSave sees that a secret which works is not lost.
func (s *simStore) checkSave(next *rotate.Record) {
	if now := s.exchange.secret; s.record.Has(now) && !next.Has(now) {
		s.breaks("R10: the exchange's secret is dropped")
	}
}

// checkMismatch sees that two secrets of one generation are a person's doing.
func (p *simProcess) checkMismatch() {
	if p.faults.fired[faultRestore] == 0 && p.faults.fired[faultForeign] == 0 && !p.tally.supplied {
		p.breaks("%s has another secret of generation %d than the store", p.name, p.current.Generation)
	}
}

// checkLockedOut sees that a person is asked only where nobody else can help, that the store says so, and that the gate is shut.
func (p *simProcess) checkLockedOut() {
	r, x, record := p.flight, &p.exchange, &p.store.record
	mine := record.Lease != nil && record.Lease.Owner == p.name
	if mine && record.Intent == nil {
		p.breaks("%s is locked out, and there is no intent", p.name)
	}
	if !p.shut {
		p.breaks("%s is locked out, and its gate is open", p.name)
	}
	if r.seen.Has(x.secret) && x.changed < r.retaken {
		p.breaks("%s is locked out with the secret in hand", p.name)
	}
	switch {
	case !r.machine.Ours && !p.config.heal:
		p.tally.lockouts["foreign"]++
		if !x.foreign && x.changed < r.retaken {
			p.breaks("%s takes a rotator's reset for somebody else's", p.name)
		}
	case r.machine.InVain():
		p.tally.lockouts["in vain"]++
		if p.config.admin {
			p.breaks("%s gives up, and another key hears what the exchange answers", p.name)
		}
	case r.denied:
		p.tally.lockouts["denied"]++
	default:
		p.tally.lockouts["nobody"]++
		if who := p.couldReset(); who != "" {
			p.breaks("%s is locked out, and %s could reset the key", p.name, who)
		}
	}
}

// couldReset names who could have reset the key for a process.
func (p *simProcess) couldReset() string {
	switch {
	case p.config.admin:
		return "another key"
	case slices.ContainsFunc(p.sessions, (*simSession).alive):
		return "a session"
	case p.exchange.isRescue(p.flight.rescue):
		return "a rescue token"
	}
	return ""
}

// settled reports whether all is as it should be: one secret everywhere, and nobody at work.
func (w *sim) settled() bool { return w.unsettled() == "" }

// unsettled says what is not.
func (w *sim) unsettled() string {
	switch record := w.store.record.Clone(); {
	case record.Intent != nil:
		return "the intent stands"
	case !record.Current.Secret.Equal(w.exchange.secret):
		return "the store's secret is dead"
	case record.Take(rotate.NewHolder("anybody", 0, simLeaseTTL), simEpoch.Add(w.now)) != nil:
		return "the lease is held"
	}
	for _, p := range w.processes {
		if what := p.unsettled(); what != "" {
			return p.name + what
		}
	}
	return ""
}

func (p *simProcess) unsettled() string {
	switch {
	case !p.alive || p.sessions == nil:
		return " is dead"
	case p.flight != nil:
		return " is at work"
	case p.shut:
		return "'s gate is shut"
	case slices.ContainsFunc(p.sessions, func(s *simSession) bool { return !s.alive() || !s.subscribed }):
		return "'s session has no token"
	case slices.ContainsFunc(p.sessions, func(s *simSession) bool { return !s.with.Secret.Equal(p.exchange.secret) }):
		return "'s session has an old secret"
	}
	return ""
}

// hopeless reports whether everybody who could recover has been told that nobody can. Who was told that no reset is answered may try
// once more meanwhile.
func (w *sim) hopeless() bool {
	return !slices.ContainsFunc(w.processes, func(p *simProcess) bool { return !p.follows && (!p.locked || p.flight != nil && !p.inVain) })
}

// deaf is a world in which no answer to a reset can come: the exchange ends the connections of the key before, and there is no other.
// All are told so, after some resets.
func (w *sim) deaf() bool { return w.config.closes == 2 && !w.config.admin }

// refusedInAnHour is the most logins of rotations that the exchange has refused within an hour.
func (x *simExchange) refusedInAnHour() int {
	most, from := 0, 0
	for to, at := range x.refused {
		for at-x.refused[from] > time.Hour {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}
