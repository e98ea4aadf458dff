package rotate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// The simulation performs what the core of a rotation decides in a world that is a function of its seed: an exchange, a store and
// three processes. There is no goroutine in it and no clock: one thing happens after another, and its generator of random numbers
// decides which one is next and what befalls it.

const (
	simQuarantine   = time.Minute
	simLeaseTTL     = time.Minute
	simResetTimeout = 15 * time.Second
)

// simMost bounds what happens in a world.
const simMost = 100_000

// simEpoch is when every world begins.
var simEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// simEvent is what happens at a moment whatever the processes do.
type simEvent struct {
	at time.Duration
	fn func()
}

// sim is a world.
type sim struct {
	rng     *rand.Rand
	now     time.Duration // since it began
	stopped time.Duration // when the faults did
	calm    bool          // they have
	config  simConfig

	faults    simFaults
	tally     *simTally
	exchange  simExchange
	store     simStore
	processes []*simProcess
	events    []simEvent

	steps  int
	broken []string
	traced bool
	trace  []string
}

// simConfig is what the exchange does at a reset, who may reset the key, and how the rotators are configured.
type simConfig struct {
	revokes bool // tokens die
	drops   bool // private subscriptions are dropped
	closes  int  // connections of the key: 0 for kept, 1 for closed after the reply, 2 for before it
	admin   bool // a session of a second key has authority
	factor  bool // a reset needs a second factor
	heal    bool // Config.TakeBack
	spare   bool // there is a second store
	told    bool // a person keeps what OnUnsaved says
	accept  bool // Config.AcceptLockout: a rotation begins without a rescue token if none can be had
}

// newSim returns the world of a seed.
func newSim(seed uint64, traced bool) *sim {
	rng := rand.New(rand.NewPCG(seed, 20))
	w := &sim{rng: rng, traced: traced, now: time.Minute, tally: &simTally{}}
	profile := int(seed % 12)
	w.config = simConfig{
		revokes: profile%2 == 1, drops: profile/2%2 == 1, closes: profile / 4,
		admin: seed/12%2 == 0, factor: rng.IntN(4) == 0, heal: rng.IntN(2) == 0, spare: rng.IntN(2) == 0, told: rng.IntN(2) == 0,
		accept: rng.IntN(2) == 0,
	}
	w.tally.init()
	w.faults.draw(rng)
	w.exchange.sim, w.store.sim = w, w
	w.exchange.begin()
	w.store.begin()
	for i := range 3 {
		p := &simProcess{sim: w, index: i, follows: i == 2}
		w.processes = append(w.processes, p)
		p.boot()
	}
	return w
}

// note adds a line to the trace.
func (w *sim) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%12v ", w.now)+fmt.Sprintf(format, args...))
}

// breaks notes a rule that does not hold.
func (w *sim) breaks(format string, args ...any) {
	if len(w.broken) < 5 {
		w.broken = append(w.broken, fmt.Sprintf(format, args...))
	}
	if w.traced {
		w.note("BROKEN "+format, args...)
	}
}

// between is a random duration.
func (w *sim) between(shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(w.rng.Int64N(int64(longest-shortest)+1))
}

// after has fn happen later.
func (w *sim) after(d time.Duration, fn func()) {
	w.events = append(w.events, simEvent{w.now + d, fn})
}

// run goes on until done, and reports whether it has come to that before the limit.
func (w *sim) run(limit time.Duration, done func() bool) bool {
	for !done() {
		if w.steps > simMost {
			w.breaks("no end after %d steps", w.steps)
		}
		if len(w.broken) > 0 || w.now > limit {
			return false
		}
		w.step()
		w.check()
	}
	return true
}

// step has the next thing happen.
func (w *sim) step() {
	w.steps++
	if next := w.earliest(); next > w.now {
		w.now = next
	}
	if w.fire() {
		return
	}
	ready := make([]*simProcess, 0, 3)
	for _, p := range w.processes {
		if p.due() <= w.now {
			ready = append(ready, p)
		}
	}
	p := ready[w.rng.IntN(len(ready))]
	w.now += w.between(0, 5*time.Millisecond)
	if !p.befallen() {
		p.next = p.next()
	}
}

// earliest is when the next thing can happen.
func (w *sim) earliest() time.Duration {
	next := w.processes[0].due()
	for _, p := range w.processes[1:] {
		next = min(next, p.due())
	}
	for _, e := range w.events {
		next = min(next, e.at)
	}
	return next
}

// fire has the first event happen that is due, if there is one.
func (w *sim) fire() bool {
	first := -1
	for i, e := range w.events {
		if e.at <= w.now && (first < 0 || e.at < w.events[first].at) {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	event := w.events[first]
	w.events = slices.Delete(w.events, first, first+1)
	event.fn()
	return true
}

// simStore is a store that fails, forgets to answer, and is restored from a backup.
type simStore struct {
	*sim
	record   rotate.Record
	backup   rotate.Record
	restored time.Duration    // when
	durable  []session.Secret // that it has ever acknowledged
	down     time.Duration    // until when
	spare    rotate.Candidate // what the second store has
}

func (s *simStore) begin() {
	first := rotate.Candidate{Secret: s.exchange.secret, Generation: 1, Received: simEpoch}
	s.record = rotate.Record{Version: 1, KeyID: keyID, ClientID: clientID, Current: first}
	s.backup = s.record.Clone()
	s.durable = []session.Secret{first.Secret}
}

func (s *simStore) load() (rotate.Record, error) {
	if s.now < s.down || s.strike(faultLoad) {
		return rotate.Record{}, errDown
	}
	return s.record.Clone(), nil
}

func (s *simStore) save(record rotate.Record) (rotate.Record, error) {
	if s.strike(faultOutage) {
		s.down = s.now + s.between(time.Second, 3*time.Minute)
	}
	if s.now < s.down || s.strike(faultSave) {
		return rotate.Record{}, errDown
	}
	if s.strike(faultConflict) {
		s.record.Version++ // somebody has saved the same
	}
	if record.Version != s.record.Version {
		return rotate.Record{}, rotate.ErrConflict
	}
	s.checkSave(&record)
	record.Version++
	s.record = record.Clone()
	for _, c := range record.InOrder() {
		if !slices.ContainsFunc(s.durable, c.Secret.Equal) {
			s.durable = append(s.durable, c.Secret)
		}
	}
	s.tell()
	if s.strike(faultSaved) {
		return rotate.Record{}, errDown
	}
	return record, nil
}

// tell wakes those who watch the store, sooner or later.
func (s *simStore) tell() {
	for _, p := range s.processes {
		if !p.follows {
			continue
		}
		late := s.between(10*time.Millisecond, time.Second)
		if s.strike(faultWatch) {
			late = time.Minute
		}
		p.hear(s.now + late)
	}
}

// restore puts an old record into the store's place.
func (s *simStore) restore() {
	version := s.record.Version
	s.record = s.backup.Clone()
	s.record.Version = version + 1
	s.restored = s.now
	s.exchange.excused, s.exchange.unrescued = s.exchange.secret, true
	s.exchange.foreign = s.exchange.foreign || !s.record.Has(s.exchange.secret)
	s.tally.met(37)
}
