package rotate_test

import (
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// preflight is what can be checked before the reset.
func (p *simProcess) preflight() simStep {
	r := p.flight
	for _, s := range p.sessions {
		if !s.alive() {
			return p.answer(core.CheckFailed)
		}
	}
	if len(r.authorities) == 0 || p.strike(faultCheck) {
		return p.answer(core.CheckFailed)
	}
	return p.update(func(record *rotate.Record) error { return record.Renew(r.holder, p.time()) },
		func(_ rotate.Record, err error) simStep {
			if err != nil {
				p.tally.met(4)
				return p.answer(core.CheckFailed)
			}
			return p.answer(core.Checked)
		})
}

// intend writes the intent, with a rescue token unless another key has authority.
func (p *simProcess) intend() simStep {
	r := p.flight
	if !p.config.admin {
		if p.strike(faultMint) || !p.exchange.login(p, r.old.Secret) {
			p.tally.met(5)
			p.exchange.unrescued = true
			if !p.config.accept {
				return p.answer(core.NotIntended)
			}
		} else {
			r.rescue = p.exchange.nextRescue()
		}
	}
	return p.update(func(record *rotate.Record) error {
		record.Raise(r.id, p.time()).Rescue = r.rescue
		return record.Renew(r.holder, p.time())
	}, func(_ rotate.Record, err error) simStep {
		if err != nil {
			p.tally.met(4)
			return p.answer(core.NotIntended)
		}
		return p.answer(core.Intended)
	})
}

// arm is the last moment before a reset.
func (p *simProcess) arm() simStep {
	r := p.flight
	first := r.machine.Sends == 0 && !r.machine.Doubt
	if p.closing {
		return p.answer(core.Stopped)
	}
	if first && p.strike(faultVeto) {
		return p.answer(core.NotArmed)
	}
	return p.update(func(record *rotate.Record) error {
		r.armed, r.stamped = p.now, p.now+p.skew
		return record.Arm(r.holder, r.id, p.time())
	}, func(_ rotate.Record, err error) simStep {
		if err != nil {
			return p.answer(core.NotArmed)
		}
		return p.answer(core.Armed)
	})
}

// askCode is a person with a device.
func (p *simProcess) askCode() simStep {
	none := p.strike(faultNoCode)
	return p.rest(p.between(time.Second, 44*time.Second), func() simStep {
		p.flight.code = !none
		if none {
			return p.answer(core.NoCode)
		}
		return p.answer(core.CodeGiven)
	})
}

// storeSecret appends the new secret to the candidates.
func (p *simProcess) storeSecret() simStep {
	r := p.flight
	if r.machine.Attempt == 0 {
		r.secret = rotate.Candidate{Secret: r.key, Rotation: r.id, Received: p.time()}
	}
	return p.update(func(record *rotate.Record) error {
		record.Receive(r.secret, r.id, p.openSince(), p.time())
		return nil
	}, func(record rotate.Record, err error) simStep {
		if err != nil {
			return p.answer(core.NotStored)
		}
		for _, c := range record.InOrder() {
			if c.Secret.Equal(r.secret.Secret) {
				r.secret = c
			}
		}
		r.seen = record
		return p.answer(core.Stored)
	})
}

// tellUnsaved tells a person, and the second store.
func (p *simProcess) tellUnsaved() simStep {
	r := p.flight
	p.tally.met(20)
	if p.config.told {
		p.told = r.key
		p.exchange.person = p.exchange.person || p.exchange.secret.Equal(r.key)
	}
	p.toSpare(r.secret)
	return p.perform()
}

func (p *simProcess) toSpare(c rotate.Candidate) {
	if p.config.spare && !p.strike(faultSpare) {
		p.store.spare = c
	}
}

// try asks the exchange for its word about a secret, on a connection of its own.
func (p *simProcess) try() simStep {
	r := p.flight
	question := r.secret
	switch s := r.machine.State; {
	case s == core.Probing:
		question = r.seen.InOrder()[r.machine.Secret]
	case s != core.Durable:
		record, err := p.store.load()
		if err != nil {
			return p.answer(core.Unreachable)
		}
		r.seen, question = record, record.Current
	}
	return func() simStep {
		if p.strike(faultOddTry) {
			p.tally.met(24)
			return p.answer(core.Unreachable)
		}
		if p.strike(faultTry) {
			return p.answer(core.Unreachable)
		}
		kind := core.Rejected
		if p.exchange.login(p, question.Secret) {
			kind, r.secret = core.Accepted, question
		}
		r.untried = false
		return func() simStep { return p.answer(kind) }
	}
}

// promote makes the secret that was accepted the current one.
func (p *simProcess) promote() simStep {
	r := p.flight
	return p.swap(func(record *rotate.Record) error {
		if err := record.Accept(r.holder, r.seen, r.secret, p.time()); err != nil {
			return err
		}
		if r.machine.Open == 0 {
			record.Intent = nil
		} else {
			record.Await()
		}
		if !p.current.Secret.Equal(record.Current.Secret) {
			record.Current.Generation = max(record.Current.Generation, p.current.Generation+1)
		}
		return nil
	})
}

// settle clears the intent.
func (p *simProcess) settle() simStep {
	r := p.flight
	return p.swap(func(record *rotate.Record) error { return record.Settle(r.holder, r.seen) })
}

func (p *simProcess) swap(change func(*rotate.Record) error) simStep {
	r := p.flight
	return p.update(change, func(record rotate.Record, err error) simStep {
		switch {
		case err == nil:
			r.seen, r.secret = record, record.Current
			return p.answer(core.Swapped)
		case errors.Is(err, rotate.ErrMoved):
			p.tally.met(26)
			return p.answer(core.Moved)
		case errors.Is(err, rotate.ErrLeaseLost):
			p.tally.met(25)
			return p.answer(core.Moved)
		}
		return p.answer(core.NotSwapped)
	})
}

// publishSecret gives the sessions the current secret, and opens the gate.
func (p *simProcess) publishSecret() simStep {
	p.publish(p.flight.secret)
	p.open()
	if !p.store.spare.Secret.IsZero() {
		p.toSpare(p.flight.secret)
	}
	return p.answer(core.Published)
}

// bring has session number i and those after it take the current secret.
func (p *simProcess) bring(i int, so core.EventKind) simStep {
	r := p.flight
	if i >= len(p.sessions) {
		return p.answer(so)
	}
	s := p.sessions[i]
	if s.connected && s.with.Generation >= r.secret.Generation {
		s.subscribed = true // it is asked for its channels
		r.tries = 0
		return func() simStep { return p.bring(i+1, so) }
	}
	if r.tries > 30 || p.strike(faultSession) {
		r.tries = 0
		return func() simStep { return p.bring(i+1, core.SomeLeft) }
	}
	r.tries++
	if s.connected && s.authenticate() {
		return func() simStep { return p.bring(i, so) }
	}
	return p.sleep(p.between(500*time.Millisecond, 1500*time.Millisecond), func(stopped bool) simStep {
		if stopped {
			return p.bring(i+1, core.SomeLeft)
		}
		return p.bring(i, so)
	})
}

// quarantine waits until no reset can be executed any more.
func (p *simProcess) quarantine() simStep {
	left := min(p.flight.unanswered+simQuarantine-p.now, simQuarantine)
	return p.sleep(max(left, 0), func(stopped bool) simStep {
		if stopped {
			return p.answer(core.Stopped)
		}
		return p.perform()
	})
}

// forgo gives up the rescue token.
func (p *simProcess) forgo() simStep {
	p.exchange.dropRescue(p.flight.rescue)
	return p.perform()
}
