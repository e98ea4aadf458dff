package main

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// Kinds of faults beside those of package deribittest.
const (
	maintain   = "maintenance" // refuses calls and handshakes for a while; half of the times a connection is cut meanwhile
	loseChange = "lose-change" // loses a change of a book inside the exchange
	evict      = "evict"       // fills the key with named sessions, which end those of the subjects without a word
)

// ofRequests are the kinds that wait for a request, and faultKinds all kinds.
var (
	ofRequests = []string{
		string(deribittest.LoseRequest), string(deribittest.LoseReply), string(deribittest.DelayReply),
		string(deribittest.DuplicateReply), string(deribittest.CutAtRequest), string(deribittest.CutAtReply),
	}
	faultKinds = append([]string{
		string(deribittest.Cut), string(deribittest.LosePrivate), string(deribittest.Stall), string(deribittest.Segment),
		string(deribittest.SkewClock), maintain, loseChange, evict,
	}, ofRequests...)
)

// resuming are the requests by which a session comes back. Nobody else makes them while faults come.
var resuming = []string{"public/auth", "private/subscribe", "public/subscribe", "public/set_heartbeat"}

// plan is the sequence of faults. Each kind comes as often as any other.
type plan struct {
	rng   *rand.Rand
	round []string // kinds that are still to come before any comes again
}

func newPlan(seed uint64) *plan { return &plan{rng: rand.New(rand.NewPCG(seed, 0x6c6f73736573))} }

// Blow is one fault of a plan.
type Blow struct {
	Kind   string
	Pick   uint64 // chooses the connection, or the channel
	Method string // of a request when somebody comes back; empty: the next request of the connection
	For    time.Duration
}

func (p *plan) next() Blow {
	if len(p.round) == 0 {
		p.round = append(p.round, faultKinds...)
		p.rng.Shuffle(len(p.round), func(i, j int) { p.round[i], p.round[j] = p.round[j], p.round[i] })
	}
	b := Blow{Kind: p.round[0], Pick: p.rng.Uint64()}
	p.round = p.round[1:]
	if p.rng.IntN(2) == 0 {
		b.Method = resuming[p.rng.IntN(len(resuming))]
	}
	switch b.Kind {
	case string(deribittest.DelayReply):
		b.For = p.upTo(3 * time.Second)
	case string(deribittest.Stall):
		if p.rng.IntN(4) > 0 { // else the socket stays half-open
			b.For = p.upTo(3 * time.Second)
		}
	case string(deribittest.SkewClock):
		b.For = p.upTo(40*time.Second) - 20*time.Second // a signature is good for a minute
	case maintain:
		b.For = p.upTo(500 * time.Millisecond)
	}
	return b
}

func (p *plan) upTo(d time.Duration) time.Duration { return time.Duration(p.rng.Int64N(int64(d))) + 1 }
