package rotate_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// simStep does one thing at once, and returns what comes next. Between two steps the process may die or be paused, and anybody else
// may do something.
type simStep func() simStep

// simProcess is a program: a keyring, two sessions, and a rotator, or a follower.
type simProcess struct {
	*sim
	index   int
	follows bool
	name    string // of this life
	life    int
	alive   bool
	next    simStep
	wake    time.Duration // when next may be taken
	paused  time.Duration // until when
	skew    time.Duration // of its clock

	backsOff time.Duration // until when, for what was in vain
	earned   time.Duration // all that it has waited so, since the faults have stopped

	stoppable bool // closing ends the present wait
	closing   bool
	killed    bool // its context has ended too

	current  rotate.Candidate // the keyring's
	shut     bool             // its gate
	sessions []*simSession
	flight   *simRotation // nil if nothing is under way
	told     session.Secret
	refused  bool          // since the faults have stopped it was locked out
	locked   bool          // the last rotation has ended locked out
	inVain   bool          // since no reset was answered
	saved    time.Duration // when the record was last saved
}

// simLong is for who waits to be woken.
const simLong = time.Hour

func (p *simProcess) time() time.Time { return simEpoch.Add(p.now + p.skew) }

// setClock sets the clock of the process, so far ahead of the right time.
func (p *simProcess) setClock(skew time.Duration) {
	p.exchange.clockSteps = append(p.exchange.clockSteps, simClockStep{p.now, p.now + p.skew})
	p.skew = skew
}

// boot is the beginning of a life.
func (p *simProcess) boot() {
	p.life++
	p.name = fmt.Sprintf("p%d.%d", p.index, p.life)
	p.alive = true
	p.closing, p.killed, p.stoppable, p.shut, p.locked = false, false, false, false, false
	p.current = p.store.record.Current
	p.next, p.wake = p.recover, p.now
	if p.follows {
		p.next = p.follow
		p.dial()
	}
}

// dial begins the sessions: once recovery is over, in a process that rotates.
func (p *simProcess) dial() {
	if p.sessions == nil {
		p.sessions = []*simSession{{process: p}, {process: p}}
		for _, s := range p.sessions {
			s.later(100*time.Millisecond, 2*time.Second)
		}
	}
}

// die ends a life, and begins another one later.
func (p *simProcess) die(within time.Duration) {
	p.life++
	p.alive = false
	p.forget()
	if p.traced {
		p.note("%s dies", p.name)
	}
	p.sessions = nil
	p.next, p.wake = func() simStep { p.boot(); return p.next }, p.now+p.between(time.Second, within)
}

// forget ends what is under way, and a rescue token with it that the store does not have.
func (p *simProcess) forget() {
	if p.flight != nil && !p.flight.redeemed.IsZero() {
		p.tally.met(38)
		p.exchange.unrescued = true
	}
	p.flight = nil
}

// mismatches reports whether the keyring has what the store does not, though it is not older.
func (p *simProcess) mismatches(current rotate.Candidate) bool {
	return current.Generation <= p.current.Generation && !current.Secret.Equal(p.current.Secret)
}

// beginAnew is what a person does who is told that the store and the keyring do not belong together.
func (p *simProcess) beginAnew() simStep {
	p.checkMismatch()
	p.die(time.Second)
	return p.next
}

// befallen reports whether something befalls the process instead of its next step.
func (p *simProcess) befallen() bool {
	if !p.alive {
		return false
	}
	switch {
	case p.busy() && p.strike(faultCrash):
		p.tally.crashed(p)
		p.die(2 * time.Minute)
	case p.busy() && p.strike(faultPause), p.holds() && p.strike(faultSlow):
		p.paused = p.now + p.between(time.Second, 2*time.Minute)
	case p.flight != nil && p.strike(faultClose):
		p.tally.met(40)
		p.close()
	case p.strike(faultClock):
		p.tally.met(39)
		p.setClock(p.between(-time.Hour, time.Hour))
	case p.sessions != nil && p.strike(faultConnection):
		p.sessions[p.rng.IntN(len(p.sessions))].lose()
		return false
	default:
		return false
	}
	return true
}

// busy reports whether the process does anything.
func (p *simProcess) busy() bool { return p.flight != nil || p.follows }

// holds reports whether it is where a pause does harm: before it stores a secret, or promotes one, or sends a reset.
func (p *simProcess) holds() bool {
	if p.flight == nil {
		return false
	}
	s := p.flight.machine.State
	return s == core.Received || s == core.Verified || s == core.Resetting
}

// close is the beginning of Rotator.Close: what waits stops, and what holds the one copy of a secret has another ten seconds.
func (p *simProcess) close() {
	p.closing = true
	if p.stoppable {
		p.wake = p.now
	}
	life := p.life
	p.after(10*time.Second, func() {
		if p.life == life {
			p.killed = true
			p.nudge()
		}
	})
}

// due is when the process goes on.
func (p *simProcess) due() time.Duration { return max(p.wake, p.paused) }

// nudge ends the present wait.
func (p *simProcess) nudge() { p.wake = min(p.wake, p.now) }

// hear is a change of the store, for a follower.
func (p *simProcess) hear(at time.Duration) {
	if p.alive {
		p.wake = min(p.wake, at)
	}
}

// rest has next happen in a while, even if the process closes.
func (p *simProcess) rest(d time.Duration, next simStep) simStep {
	p.stoppable, p.wake = false, p.now+d
	return next
}

// sleep waits, and tells then whether it was stopped.
func (p *simProcess) sleep(d time.Duration, then func(stopped bool) simStep) simStep {
	p.stoppable, p.wake = true, p.now+d
	if p.closing {
		p.wake = p.now
	}
	return func() simStep {
		p.stoppable = false
		return then(p.closing)
	}
}

// update changes the record, again and again if others are faster.
func (p *simProcess) update(change func(*rotate.Record) error, then func(rotate.Record, error) simStep) simStep {
	return func() simStep {
		record, err := p.store.load()
		if err == nil {
			err = change(&record)
		}
		if err != nil {
			return then(rotate.Record{}, err)
		}
		return func() simStep {
			saved, err := p.store.save(record)
			if errors.Is(err, rotate.ErrConflict) {
				p.tally.conflict(p)
				return p.update(change, then)
			}
			p.saved = p.now
			return func() simStep { return then(saved, err) } // it may die before it knows, or be paused
		}
	}
}

// idle waits for the next thing to do: a while between faults, not long once they have stopped.
func (p *simProcess) idle() simStep {
	p.forget()
	if p.closing {
		p.die(time.Minute)
		return p.next
	}
	p.dial()
	switch {
	case p.calm && p.locked:
		return p.rest(30*time.Second, p.recover)
	case p.calm:
		return p.rest(5*time.Second, p.recover)
	}
	return p.rest(p.between(10*time.Second, 40*time.Minute), p.decide)
}

// decide is what an application does, or a person.
func (p *simProcess) decide() simStep {
	switch {
	case p.calm:
		return p.recover
	case p.strike(faultForeign):
		p.exchange.resetByPerson()
	case p.strike(faultRestore):
		p.store.restore()
	case p.rng.IntN(10) == 0:
		p.store.backup = p.store.record.Clone()
	}
	if p.locked && p.rng.IntN(2) == 0 {
		p.supply()
		return p.recover
	}
	switch p.rng.IntN(10) {
	case 0, 1:
		return p.recover
	case 2:
		return p.begin(core.Preview)
	default:
		return p.begin(core.Rotate)
	}
}

// supply is what a person does about a lock-out: publish the secret that was told, or one from the website.
func (p *simProcess) supply() {
	if !p.exchange.secret.Equal(p.told) {
		p.exchange.resetByPerson()
		p.told = p.exchange.secret
	}
	p.tally.supplied = true
	p.store.durable = append(p.store.durable, p.told) // a person has it
	p.publish(rotate.Candidate{Secret: p.told, Generation: max(p.current.Generation, p.store.record.Current.Generation) + 1})
}

// publish gives the keyring what is newer.
func (p *simProcess) publish(c rotate.Candidate) {
	if c.Generation <= p.current.Generation {
		return
	}
	p.current = c
	for _, s := range p.sessions {
		s.later(time.Millisecond, time.Second) // one that was refused need not wait longer
	}
}

// open opens the gate.
func (p *simProcess) open() {
	if !p.shut {
		return
	}
	p.shut = false
	for _, s := range p.sessions {
		s.later(time.Millisecond, 100*time.Millisecond)
	}
}

// recover is Rotator.Recover.
func (p *simProcess) recover() simStep { return p.begin(core.Recover) }

// begin is a flight: an unfinished rotation is finished first.
func (p *simProcess) begin(goal core.Goal) simStep {
	return func() simStep {
		record, err := p.store.load()
		if err != nil {
			return p.rest(p.between(time.Second, time.Minute), p.begin(goal))
		}
		unfinished := func() simStep {
			return p.start(core.Recover, func(m core.Machine) simStep { return p.recovered(goal, m) })
		}
		switch {
		case record.Intent != nil:
			return unfinished()
		case goal != core.Recover:
			return p.start(goal, p.ended)
		}
		return func() simStep { // is the current secret dead?
			if !p.strike(faultTry) && !p.exchange.login(p, record.Current.Secret) {
				return unfinished()
			}
			return p.catchUp(record)
		}
	}
}

// recovered is the end of the recovery with which a flight has begun.
func (p *simProcess) recovered(goal core.Goal, m core.Machine) simStep {
	switch {
	case m.State != core.Idle, goal == core.Recover && p.flight.doubted, goal != core.Recover && p.calm:
		return p.idle()
	case goal != core.Recover:
		return p.start(goal, p.ended)
	}
	return func() simStep {
		record, err := p.store.load()
		if err != nil {
			return p.idle()
		}
		return p.catchUp(record)
	}
}

func (p *simProcess) ended(core.Machine) simStep { return p.idle() }

// catchUp takes over what another process may have finished.
func (p *simProcess) catchUp(record rotate.Record) simStep {
	if p.mismatches(record.Current) {
		return p.beginAnew()
	}
	p.publish(record.Current)
	p.open()
	p.locked = false
	for _, s := range p.sessions {
		if s.connected && s.with.Generation < p.current.Generation {
			return p.start(core.CatchUp, p.ended)
		}
	}
	return p.idle()
}

// follow is a Follower's look at the store.
func (p *simProcess) follow() simStep {
	record, err := p.store.load()
	if err != nil {
		return p.rest(time.Second, p.follow)
	}
	if p.mismatches(record.Current) {
		return p.beginAnew()
	}
	if record.Current.Generation > p.current.Generation {
		p.tally.met(33)
	}
	p.publish(record.Current)
	if record.UnderWay(p.time(), simLeaseTTL) {
		p.shut = true
		return p.rest(p.between(time.Second, 3*time.Second), p.follow)
	}
	p.open()
	for _, s := range p.sessions {
		if s.connected && s.with.Generation < p.current.Generation {
			return func() simStep {
				if p.strike(faultSession) || !s.authenticate() {
					return p.rest(5*time.Minute, p.follow)
				}
				return p.follow
			}
		}
	}
	return p.rest(simLong, p.follow)
}
