package rotate_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// simRotation is what a rotation knows beside its machine. It is lost with the process.
type simRotation struct {
	id      string
	goal    core.Goal
	patient bool
	machine core.Machine
	todo    []core.Effect
	then    func(core.Machine) simStep // what the process does when it has ended

	holder      rotate.Holder
	old         rotate.Candidate
	seen        rotate.Record
	secret      rotate.Candidate // received, then verified, then current
	key         session.Secret   // as received
	unanswered  time.Duration    // when the last reset was sent that has no answer, 0 if there is none
	authorities []simAuthority
	rescue      session.Secret
	redeemed    session.Secret // the rescue token before this one, if that is what the store has
	armed       time.Duration
	stamped     time.Duration // the same by the clock of the process
	retaken     time.Duration
	doubted     bool // it has not gone straight through
	code        bool
	late        *simReset
	waiting     bool // for its reply
	denied      bool // who could reset the key was not allowed to, or a person did not help
	untried     bool // a reset may have been executed, and the known secrets were not tried since
	tries       int  // of the lease, or of the sessions
}

// simAuthority is a session of another key, one of the key, or a rescue token.
type simAuthority struct {
	admin   bool
	session *simSession
}

// start is a rotation.
func (p *simProcess) start(goal core.Goal, then func(core.Machine) simStep) simStep {
	r := &simRotation{id: fmt.Sprintf("%s@%d", p.name, p.now), goal: goal, patient: goal == core.Recover, then: then}
	r.holder = rotate.NewHolder(p.name, 0, simLeaseTTL)
	r.secret, r.old = p.current, p.current
	r.machine, r.todo = core.Start(goal, p.config.heal)
	p.flight = r
	return p.perform
}

// perform goes on to the next effect.
func (p *simProcess) perform() simStep {
	r := p.flight
	if len(r.todo) == 0 {
		return p.conclude()
	}
	effect := r.todo[0]
	r.todo = r.todo[1:]
	if p.traced {
		p.note("%s %v: %v", p.name, r.machine.State, effect)
	}
	return p.effects(effect)
}

// effects is the first step of an effect.
func (p *simProcess) effects(effect core.Effect) simStep {
	switch effect {
	case core.TakeLease:
		return p.takeLease()
	case core.Retake, core.Arm, core.Store, core.Promote, core.Settle, core.Try:
		return p.again(effect)
	case core.Check:
		return p.preflight
	case core.Intend:
		return p.intend
	case core.Send:
		return p.send
	case core.AskCode:
		return p.askCode
	case core.AwaitReply:
		return p.awaitReply()
	case core.TellUnsaved:
		return p.tellUnsaved
	case core.Publish:
		return p.publishSecret
	case core.Reauthenticate:
		p.flight.tries = 0
		return func() simStep { return p.bring(0, core.AllThrough) }
	case core.Quarantine:
		return p.quarantine()
	case core.ShutGate:
		p.shut = true
		return p.perform
	case core.OpenGate:
		p.open()
		return p.perform
	case core.ClearIntent:
		id := p.flight.id
		return p.silently(func(record *rotate.Record) error { return record.Withdraw(id) })
	case core.Forgo:
		return p.forgo
	case core.Release:
		return p.release()
	}
	p.breaks("nobody performs %v", effect)
	return p.idle()
}

// answer is how an effect has ended.
func (p *simProcess) answer(kind core.EventKind) simStep { return p.event(core.Event{Kind: kind}) }

func (p *simProcess) event(e core.Event) simStep {
	r := p.flight
	before := r.machine
	var number core.Transition
	r.machine, number, r.todo = core.Step(r.machine, e)
	if p.traced {
		p.note("%s %v: %v, %v", p.name, before.State, e.Kind, r.machine.State)
	}
	p.tally.step(p, before, e.Kind, number)
	if e.Kind == core.Retaken {
		r.doubted, r.retaken = true, p.saved
	}
	factor := []core.EventKind{core.NoCode, core.FactorStale, core.FactorRefused, core.ChallengeCame}
	r.denied = r.denied || r.machine.State != core.Challenged && slices.Contains(factor, e.Kind)
	if number == core.T19 {
		p.refused = p.refused || p.calm
		p.checkLockedOut()
	}
	return p.perform
}

// conclude is the end.
func (p *simProcess) conclude() simStep {
	r := p.flight
	p.tally.ends[r.machine.State]++
	p.locked = r.machine.State == core.LockedOut
	p.inVain = p.locked && r.machine.InVain()
	switch {
	case r.machine.State == core.Received || r.machine.State == core.Unsaved:
		p.told = r.key // by an UnsavedError
		p.exchange.person = p.exchange.person || p.exchange.secret.Equal(r.key)
	case !r.machine.Rests() && !p.closing:
		p.breaks("%s ends in %v", p.name, r.machine.State)
	}
	return r.then(r.machine)
}

// again performs what is performed until it succeeds: after a pause if it was in vain.
func (p *simProcess) again(effect core.Effect) simStep {
	r := p.flight
	perform := map[core.Effect]func() simStep{
		core.Retake: p.retake, core.Arm: p.arm, core.Store: p.storeSecret, core.Promote: p.promote, core.Settle: p.settle, core.Try: p.try,
	}[effect]
	if effect == core.Try && r.machine.State == core.Probing && r.machine.Secret > 0 && r.machine.Attempt == 0 {
		return p.stoppably(time.Second, perform)
	}
	if r.machine.Attempt == 0 {
		return perform
	}
	shortest, longest := rotate.Pauses(effect)
	middle := min(shortest<<min(r.machine.Attempt-1, 20), longest)
	pause := p.between(middle/2, middle*3/2)
	p.backsOff = p.now + pause
	p.earned += pause
	if effect != core.Store {
		return p.stoppably(pause, perform)
	}
	p.rest(pause, nil) // it holds the one copy
	return func() simStep {
		if p.killed {
			return p.answer(core.Stopped)
		}
		return perform()
	}
}

func (p *simProcess) stoppably(d time.Duration, perform func() simStep) simStep {
	return p.sleep(d, func(stopped bool) simStep {
		if stopped {
			return p.answer(core.Stopped)
		}
		return perform()
	})
}

// openSince is when the last reset was sent that may yet be executed, by the process's clock, zero if none may.
func (p *simProcess) openSince() time.Time {
	if p.flight.machine.Open == 0 {
		return time.Time{}
	}
	return p.time().Add(p.flight.unanswered - p.now)
}

// silently changes the record; if it cannot, that is put right later.
func (p *simProcess) silently(change func(*rotate.Record) error) simStep {
	return p.update(change, func(rotate.Record, error) simStep { return p.perform() })
}

// ledger is what a record says, and who could reset the key.
func (p *simProcess) ledger(record rotate.Record) core.Ledger {
	r := p.flight
	r.authorities = nil
	if p.config.admin {
		r.authorities = append(r.authorities, simAuthority{admin: true})
	}
	for _, s := range p.sessions {
		r.authorities = append(r.authorities, simAuthority{session: s})
	}
	if i := record.Intent; i != nil && !i.Rescue.IsZero() && !i.Rescue.Equal(r.redeemed) {
		r.rescue, r.redeemed = i.Rescue, session.Secret{}
	}
	if !r.rescue.IsZero() {
		r.authorities = append(r.authorities, simAuthority{})
	}
	ledger := core.Ledger{
		Unfinished: record.Intent != nil, Secrets: len(record.InOrder()),
		Authorities: len(r.authorities), Independent: p.config.admin,
	}
	if record.Intent == nil || record.Intent.Sent.IsZero() {
		return ledger
	}
	ledger.Sent = true
	if ago := p.time().Sub(record.Intent.Sent); ago < simQuarantine {
		ledger.Recent = true
		r.unanswered = max(r.unanswered, p.now-ago)
	}
	return ledger
}

// takeLease takes the lease, and makes the record and the keyring agree.
func (p *simProcess) takeLease() simStep {
	r := p.flight
	return p.update(func(record *rotate.Record) error {
		if err := p.reconcile(record); err != nil {
			return err
		}
		return record.Take(r.holder, p.time())
	}, func(record rotate.Record, err error) simStep {
		if err == nil {
			r.holder = rotate.NewHolder(p.name, record.Lease.Epoch, simLeaseTTL)
			r.old, r.seen = record.Current, record
			p.publish(record.Current)
			return p.event(core.Event{Kind: core.LeaseTaken, Ledger: p.ledger(record)})
		}
		if errors.Is(err, rotate.ErrMismatch) {
			return p.beginAnew()
		}
		if _, held := errors.AsType[*rotate.LeaseHeldError](err); held {
			p.tally.met(2)
			if r.patient {
				r.tries++
				middle := min(100*time.Millisecond<<min(r.tries-1, 20), 5*time.Second)
				return p.sleep(p.between(middle/2, middle*3/2), func(stopped bool) simStep {
					if stopped {
						return p.answer(core.LeaseRefused)
					}
					return p.takeLease()
				})
			}
		}
		return p.answer(core.LeaseRefused)
	})
}

// reconcile gives the record what a person has published.
func (p *simProcess) reconcile(record *rotate.Record) error {
	switch replaced := record.Current; {
	case replaced.Generation == p.current.Generation && !replaced.Secret.Equal(p.current.Secret):
		return rotate.ErrMismatch
	case p.current.Generation > replaced.Generation:
		record.Current = p.current
		if !p.current.Secret.Equal(p.exchange.secret) { // it is a person's, and stale
			p.exchange.excused = p.exchange.secret
		}
		if !record.Has(replaced.Secret) {
			record.Candidates = append([]rotate.Candidate{replaced}, record.Candidates...)
		}
	}
	return nil
}

// retake makes sure of the lease.
func (p *simProcess) retake() simStep {
	r := p.flight
	spare := p.store.spare
	if p.strike(faultSpare) {
		spare = rotate.Candidate{}
	}
	return p.update(func(record *rotate.Record) error {
		if !spare.Secret.IsZero() {
			record.Add(spare)
		}
		if err := record.Retake(r.holder, r.id, p.time()); err != nil {
			return err
		}
		if since := p.openSince(); since.After(record.Intent.Sent) { // who cleared the intent meanwhile did not know
			record.Intent.Sent = since
		}
		return nil
	}, func(record rotate.Record, err error) simStep {
		if err != nil {
			return p.answer(core.NotRetaken)
		}
		r.holder = rotate.NewHolder(p.name, record.Lease.Epoch, simLeaseTTL)
		ledger := p.ledger(record)
		ledger.News = record.HasMore(r.seen)
		r.seen = record
		return p.event(core.Event{Kind: core.Retaken, Ledger: ledger})
	})
}

// release gives up the lease.
func (p *simProcess) release() simStep {
	r := p.flight
	return p.update(func(record *rotate.Record) error { return record.Free(r.holder) },
		func(rotate.Record, error) simStep { return p.answer(core.Released) })
}
