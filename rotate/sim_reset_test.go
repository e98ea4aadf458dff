package rotate_test

import (
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// send has an authority send the reset.
func (p *simProcess) send() simStep {
	r := p.flight
	if r.untried {
		p.breaks("R7: %s sends a reset again before it has tried what is known", p.name)
	}
	sent := &simReset{by: p, life: p.life, armed: r.armed, stamped: r.stamped, begun: p.now, code: r.code}
	r.code = false
	switch a := r.authorities[r.machine.Authority]; {
	case a.admin:
		return p.place(sent)
	case a.session == nil:
		sent.rescue = true
		return p.redeem(sent)
	case !a.session.connected || !a.session.lives():
		return p.unsent()
	default:
		sent.carrier, sent.dial, sent.epoch = a.session, a.session.dials, a.session.epoch
		return p.place(sent)
	}
}

// unsent is an authority that was out of reach. A session of the key itself waits for the secret that it ought to bring about.
func (p *simProcess) unsent() simStep {
	r := p.flight
	if r.machine.Doubt && r.authorities[r.machine.Authority].session != nil {
		return p.answer(core.Refused)
	}
	return p.answer(core.NotSent)
}

// redeem has the exchange replace the rescue token, and stores the new one before it is of use.
func (p *simProcess) redeem(sent *simReset) simStep {
	r := p.flight
	if p.strike(faultRedeem) {
		return p.answer(core.NotSent)
	}
	if !r.redeemed.IsZero() { // the store has the dead one still
		return p.storeRescue(func() simStep { return p.redeem(sent) })
	}
	if !p.exchange.isRescue(r.rescue) {
		return p.answer(core.Refused)
	}
	p.exchange.dropRescue(r.rescue)
	r.redeemed, r.rescue = r.rescue, p.exchange.nextRescue()
	return p.storeRescue(func() simStep {
		sent.armed, sent.stamped = r.armed, r.stamped
		sent.begun, sent.epoch = p.now, p.exchange.epoch
		return p.place(sent)
	})
}

// storeRescue puts the token into the store, in the place of the one that it has replaced, whoever has the lease. Without that no reset
// follows.
func (p *simProcess) storeRescue(then func() simStep) simStep {
	r := p.flight
	var lost error
	return p.update(func(record *rotate.Record) error {
		r.armed, r.stamped = p.now, p.now+p.skew
		lost = record.Arm(r.holder, r.id, p.time())
		record.Raise(r.id, p.time()).Rescue = r.rescue
		return nil
	}, func(_ rotate.Record, err error) simStep {
		if err != nil {
			return p.answer(core.NotSent)
		}
		r.redeemed = session.Secret{}
		if lost != nil {
			return p.answer(core.NotSent)
		}
		return then()
	})
}

// place has the request leave, or not.
func (p *simProcess) place(sent *simReset) simStep {
	if p.strike(faultNotSent) {
		if sent.carrier != nil {
			sent.carrier.lose()
		}
		return p.unsent()
	}
	return func() simStep { return p.arrive(sent) }
}

// arrive is the request at the exchange, if it comes there.
func (p *simProcess) arrive(sent *simReset) simStep {
	x := &p.exchange
	switch {
	case p.strike(faultLostRequest):
		p.tally.met(7)
		return p.unheard(sent)
	case p.strike(faultLate):
		p.after(p.between(time.Second, simQuarantine-2*time.Second), func() { x.executeLate(sent) })
		return p.unheard(sent)
	case p.strike(faultTooMany):
		if sent.carrier != nil {
			sent.carrier.lose()
		}
		p.flight.unanswered = sent.begun
		p.flight.untried = true
		return p.answer(core.TooMany)
	case p.strike(faultPassing):
		return p.answer(core.NotSent) // it may yet do it
	case p.strike(faultForbidden):
		x.forbidden = p.now + p.between(time.Second, 10*time.Minute)
	}
	if refusal, ok := x.judge(sent); !ok {
		p.flight.denied = p.flight.denied || sent.forbade
		return func() simStep { return p.answer(refusal) }
	}
	sent.secret = x.execute(sent)
	return func() simStep { return p.hearReply(sent) }
}

// hearReply is the reply to a reset that was executed, if it comes.
func (p *simProcess) hearReply(sent *simReset) simStep {
	r := p.flight
	sent.open = false
	switch {
	case p.config.closes == 2 && (sent.carrier != nil || sent.rescue):
		sent.cut = true
		p.tally.met(13)
		return p.unheard(sent)
	case p.strike(faultLostReply):
		p.tally.met(13)
		return p.unheard(sent)
	case p.strike(faultMalformed):
		p.tally.met(18)
		sent.cut = true // nothing more is to be had
		return p.unheard(sent)
	case p.strike(faultLateReply):
		return p.unheardUntil(sent, p.between(simResetTimeout+time.Second, 50*time.Second))
	case p.strike(faultDuplicate):
		p.tally.met(16) // the second belongs to no call
	}
	sent.open = true
	return p.rest(p.between(time.Millisecond, time.Second), func() simStep {
		r.key, sent.open = sent.secret, false
		return p.answer(core.KeyCame)
	})
}

// unheard is a reset of which nothing is heard: its connection ends at once, or nobody answers in time.
func (p *simProcess) unheard(sent *simReset) simStep {
	if sent.cut || p.rng.IntN(2) == 0 {
		sent.cut = true
		if sent.carrier != nil {
			sent.carrier.lose()
		}
		return p.rest(p.between(time.Millisecond, time.Second), func() simStep { return p.giveUp(sent) })
	}
	return p.rest(simResetTimeout, func() simStep { return p.giveUp(sent) })
}

// unheardUntil is a reply that comes after who waits for it has given up.
func (p *simProcess) unheardUntil(sent *simReset, d time.Duration) simStep {
	sent.open = true
	p.after(d, func() { sent.answer(core.KeyCame) })
	return p.rest(simResetTimeout, func() simStep { return p.giveUp(sent) })
}

func (p *simProcess) giveUp(sent *simReset) simStep {
	r := p.flight
	r.unanswered = sent.begun
	r.untried = true
	if !sent.cut {
		r.late = sent
	}
	if sent.code {
		p.tally.met(10)
	}
	return p.answer(core.NoAnswer)
}

// executeLate is a request that was long on its way, or waited at the exchange. Its reply comes if its connection lives.
func (x *simExchange) executeLate(sent *simReset) {
	x.tally.met(8)
	refusal, ok := x.judge(sent)
	if !ok {
		sent.answer(refusal)
		return
	}
	sent.secret = x.execute(sent)
	if x.config.closes == 2 && (sent.carrier != nil || sent.rescue) {
		sent.cut = true
	}
	x.after(x.between(10*time.Millisecond, time.Second), func() { sent.answer(core.KeyCame) })
}

// answer delivers a late reply to who waits for it.
func (s *simReset) answer(kind core.EventKind) {
	if s.cut || s.carrier != nil && (!s.carrier.connected || s.carrier.dials != s.dial) {
		s.open = false
		return
	}
	s.replied, s.reply = true, kind
	if p := s.by; p.life == s.life && p.flight != nil && p.flight.waiting && p.flight.late == s {
		p.nudge()
	}
}

// awaitReply waits for a reply while the connection lives that carried its request.
func (p *simProcess) awaitReply() simStep {
	r := p.flight
	sent := r.late
	if sent == nil || sent.cut {
		return p.perform
	}
	r.waiting = true
	left := sent.begun + simQuarantine - p.now
	if sent.replied {
		left = 0
	}
	return p.sleep(max(left, 0), func(stopped bool) simStep { // by a Close that does not wait with it
		r.waiting, r.late, sent.open = false, nil, false
		if stopped || !sent.replied || sent.reply != core.KeyCame {
			return p.perform()
		}
		p.tally.met(17)
		r.untried = false
		r.key = sent.secret
		return p.answer(core.KeyCame)
	})
}
