package deribittest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Chaos has faults happen by themselves, for Config.Chaos. Which fault comes when, and to which connection by age, follows from
// the seed alone; a run repeats as far as its connections come and ask in the same order.
type Chaos struct {
	// Seed determines everything.
	Seed uint64
	// Every is the mean time between two faults: each comes after half of it at least, and one and a half at most. 0 is 1 s.
	Every time.Duration
	// Kinds are the faults that come, all equally often; empty is every kind.
	Kinds []FaultKind
}

// The extent of faults that chaos brings.
const (
	maxChaosDelay = 2 * time.Second
	maxChaosStall = 5 * time.Second
	maxChaosSkew  = 20 * time.Second // less than a signature is good for
	stallsForGood = 4                // one stall in so many has no end
)

// schedule is the sequence of a chaos's faults.
type schedule struct {
	Chaos

	rng *rand.Rand
}

func (c Chaos) schedule() *schedule {
	c.Every = max(cmp.Or(c.Every, time.Second), time.Millisecond)
	if len(c.Kinds) == 0 {
		c.Kinds = slices.Concat(ofRequests, ofConnections)
	}
	return &schedule{c, rand.New(rand.NewPCG(c.Seed, 0x6368616f73))}
}

// next returns a fault, how long after the last one it comes, and a number that chooses its connection.
func (s *schedule) next() (wait time.Duration, f Fault, pick uint64) {
	wait = s.Every/2 + s.upTo(s.Every)
	f.Kind = s.Kinds[s.rng.IntN(len(s.Kinds))]
	switch f.Kind {
	case DelayReply:
		f.For = s.upTo(maxChaosDelay)
	case Stall:
		f.For = s.upTo(maxChaosStall)
		if s.rng.IntN(stallsForGood) == 0 {
			f.For = 0
		}
	case SkewClock:
		f.For = s.upTo(2*maxChaosSkew) - maxChaosSkew
	case LoseRequest, LoseReply, DuplicateReply, CutAtRequest, CutAtReply, Cut, LosePrivate, Segment: // have no extent
	}
	return wait, f, s.rng.Uint64()
}

// upTo returns a whole number of milliseconds.
func (s *schedule) upTo(d time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(max(1, d.Milliseconds()))+1) * time.Millisecond
}

// wreak brings the faults of a chaos until the server closes.
func (s *Server) wreak(c Chaos) {
	plan := c.schedule()
	for {
		wait, f, pick := plan.next()
		select {
		case <-time.After(wait):
			s.locked(func(ex *exchange) { ex.wreak(f, pick) })
		case <-s.stop:
			return
		}
	}
}

// wreak has a fault befall one of the connections. Without any it passes by, like one whose turn it was not.
func (ex *exchange) wreak(f Fault, pick uint64) {
	open := ex.befallen(0)
	if len(open) == 0 {
		return
	}
	f.Conn = open[pick%uint64(len(open))].id
	ex.inject(f)
}

// tell tells Config.OnFault of faults until the server closes.
func (s *Server) tell() {
	defer s.tellNews()
	for {
		select {
		case <-s.news:
			s.tellNews()
		case <-s.stop:
			return
		}
	}
}

func (s *Server) tellNews() {
	var told []Fault
	s.locked(func(ex *exchange) { told, ex.untold = ex.untold, nil })
	for _, f := range told {
		s.cfg.OnFault(f)
	}
}
