package rotate_test

import (
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// simSession is a session of a process. It lives and dies with it.
type simSession struct {
	process    *simProcess
	connected  bool
	dials      int              // counts its connections
	with       rotate.Candidate // that it has authenticated with
	epoch      int              // of its token
	subscribed bool
	turn       int // counts what it was about to do: the last of it counts
}

// alive reports whether its token is.
func (s *simSession) alive() bool { return s.connected && s.epoch == s.process.exchange.epoch }

// lives reports whether its process has not been replaced.
func (s *simSession) lives() bool { return slices.Contains(s.process.sessions, s) }

// lose ends its connection. No rotation does so.
func (s *simSession) lose() {
	if !s.connected {
		return
	}
	s.connected = false
	s.later(100*time.Millisecond, 2*time.Second)
	if r := s.process.flight; r != nil && r.late != nil && r.late.carrier == s {
		r.late.cut = true
		if r.waiting {
			s.process.nudge()
		}
	}
}

// later has it authenticate after a while, unless it does so before.
func (s *simSession) later(shortest, longest time.Duration) {
	w := s.process.sim
	s.turn++
	turn := s.turn
	w.after(w.between(shortest, longest), func() {
		if s.turn == turn {
			s.goOn()
		}
	})
}

// goOn authenticates if it has to, on a new connection or for a call that was refused, once the gate is open. A secret that was refused
// is not tried again for five minutes.
func (s *simSession) goOn() {
	switch {
	case !s.lives() || s.alive():
	case s.process.shut:
		s.process.tally.met(32) // the gate will open
	case !s.authenticate():
		s.later(5*time.Minute, 5*time.Minute)
	}
}

// authenticate reports whether the exchange has taken what the keyring has.
func (s *simSession) authenticate() bool {
	p := s.process
	if !p.exchange.takes(p, p.current.Secret) {
		return false
	}
	if !s.connected {
		s.dials++
	}
	s.connected, s.with, s.epoch, s.subscribed = true, p.current, p.exchange.epoch, true
	return true
}
