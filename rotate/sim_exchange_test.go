package rotate_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// simExchange has one key.
type simExchange struct {
	*sim
	secret  session.Secret
	resets  int
	epoch   int              // of tokens: those of an earlier one are dead
	rescues []session.Secret // that are alive
	minted  int
	// excused is a secret of which the store need know nothing: it came by what no client can help. foreign says that no rotator's
	// reset in time has brought it about.
	excused   session.Secret
	foreign   bool
	forbidden time.Duration   // until when nobody may reset the key
	unrescued bool            // a rescue token was lost, or never had, by what is known to cost it
	person    bool            // a person knows the secret
	last      *simReset       // that was executed
	changed   time.Duration   // when
	refused   []time.Duration // logins of rotations
	// clockSteps are those of the processes.
	clockSteps []simClockStep
}

func (x *simExchange) begin() { x.newSecret() }

func (x *simExchange) newSecret() {
	x.resets++
	x.secret = session.NewSecret(fmt.Appendf(nil, "s%d", x.resets))
}

// takes reports whether the exchange takes a secret, that of a session say.
func (x *simExchange) takes(p *simProcess, s session.Secret) bool {
	if !slices.ContainsFunc(x.store.durable, s.Equal) {
		x.breaks("R1: %s uses a secret that was never durable", p.name)
	}
	return x.secret.Equal(s)
}

// login reports whether the exchange takes a secret of a rotation.
func (x *simExchange) login(p *simProcess, s session.Secret) bool {
	taken := x.takes(p, s)
	if !taken {
		x.refused = append(x.refused, x.now)
	}
	return taken
}

// reset gives the key a new secret.
func (x *simExchange) reset() {
	x.newSecret()
	x.changed = x.now
	if x.traced {
		x.note("  exchange: s%d", x.resets)
	}
	if x.config.revokes {
		x.epoch++
		x.rescues = nil
	}
	for _, p := range x.processes {
		for _, s := range p.sessions {
			if x.config.drops {
				s.subscribed = false
				x.tally.met(29)
			}
			switch {
			case x.config.closes == 1:
				x.tally.met(30)
				x.after(1500*time.Millisecond, s.lose)
			case x.config.closes == 2:
				x.tally.met(30)
				s.lose()
			case x.config.revokes:
				s.later(time.Second, time.Minute) // a call of its will be refused
			}
		}
	}
}

// execute resets the key for a rotation. Whoever sends later than the quarantine lasts by the clock of any process cannot be waited for.
func (x *simExchange) execute(sent *simReset) session.Secret {
	x.reset()
	x.foreign, x.person, x.last = false, false, sent
	sent.open = true
	late := x.furthestClock(sent.armed) - sent.stamped
	if sent.armed < x.store.restored || late >= simQuarantine-time.Second {
		x.excused = x.secret
		x.foreign, x.unrescued = true, true
	}
	if x.store.record.Intent == nil && !x.excused.Equal(x.secret) {
		x.breaks("R9: a reset is executed of which the store knows nothing")
	}
	return x.secret
}

// furthestClock is the latest time that any process can have read since a moment.
func (x *simExchange) furthestClock(since time.Duration) time.Duration {
	furthest := time.Duration(0)
	for _, p := range x.processes {
		furthest = max(furthest, x.now+p.skew)
	}
	for _, step := range x.clockSteps {
		if step.at >= since {
			furthest = max(furthest, step.read)
		}
	}
	return furthest
}

// resetByPerson is a reset on the website.
func (x *simExchange) resetByPerson() {
	x.reset()
	x.excused, x.foreign, x.unrescued, x.person, x.last = x.secret, true, true, true, nil
	x.tally.met(36)
}

func (x *simExchange) nextRescue() session.Secret {
	x.minted++
	token := session.NewSecret(fmt.Appendf(nil, "rescue %d", x.minted))
	x.rescues = append(x.rescues, token)
	return token
}

func (x *simExchange) isRescue(token session.Secret) bool {
	return !token.IsZero() && slices.ContainsFunc(x.rescues, token.Equal)
}

// dropRescue ends a token.
func (x *simExchange) dropRescue(token session.Secret) {
	x.rescues = slices.DeleteFunc(x.rescues, token.Equal)
}

// simClockStep is what a clock said when it was set.
type simClockStep struct{ at, read time.Duration }

// simReset is a reset that was sent.
type simReset struct {
	by      *simProcess
	life    int           // of the process
	armed   time.Duration // when the store was told
	stamped time.Duration // what the store was told
	begun   time.Duration
	code    bool        // it has a second factor
	carrier *simSession // whose connection number dial it is; nil for the connection of another key, or for one of its own
	dial    int
	rescue  bool
	epoch   int // of the token that it is sent by
	// What becomes of it: its connection ends, and the reply comes, at such a time.
	cut     bool
	open    bool // executed, and the reply is on its way
	replied bool
	forbade bool // it was refused for want of authority
	reply   core.EventKind
	secret  session.Secret
}

// judge is what the exchange says to a reset before it executes it; ok if it executes it.
func (x *simExchange) judge(sent *simReset) (refusal core.EventKind, ok bool) {
	switch {
	case x.now < x.forbidden:
		sent.forbade = true
		return core.Refused, false
	case (sent.carrier != nil || sent.rescue) && sent.epoch != x.epoch:
		return core.Refused, false
	case x.config.factor && !sent.code:
		return core.ChallengeCame, false
	case x.config.factor && x.strike(faultStale):
		return core.FactorStale, false
	case x.config.factor && x.strike(faultWrongCode):
		return core.FactorRefused, false
	}
	return 0, true
}
