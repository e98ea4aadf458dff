package session

import (
	"slices"
	"sync"
)

// turn lets several readers feed what one of them may do at a time, and has none of them wait: who finds another at it leaves a copy
// of what it brings, and that one sees to it. What a reader brings is done in its order.
type turn struct {
	do func(turned)

	mu      sync.Mutex // protects the fields below
	taken   bool
	waiting []turned
	bytes   int     // of waiting
	spilled [2]bool // a leg has brought more than may wait since this was last told
	end     func()  // see finish
	over    bool    // from now on one alone brings something: it does so at once
}

// turned is what a reader, or somebody else, brings.
type turned struct {
	leg     int
	channel *channel
	data    []byte // of a message; valid during do
	act     func() // is called in its place, if not nil
	spilled bool   // messages of the leg are missing here
}

// What may wait for the one whose turn it is.
const (
	maxTurned      = 4096
	maxTurnedBytes = 8 << 20
)

// take does t, now or when it is its turn.
func (q *turn) take(t turned) {
	q.mu.Lock()
	if q.taken {
		q.leaveLocked(t)
		q.mu.Unlock()
		return
	}
	over := q.over
	q.taken = !over
	q.mu.Unlock()
	if q.do(t); over {
		return
	}
	for batch := q.next(nil); len(batch) > 0; batch = q.next(batch) {
		for _, t := range batch {
			q.do(t)
		}
	}
}

// leaveLocked leaves a copy of t. Behind the marker no message of its leg is left, though it may be small enough: what is missing
// behind that would not be told.
func (q *turn) leaveLocked(t turned) {
	if t.act == nil && (q.spilled[t.leg] || len(q.waiting) >= maxTurned || q.bytes+len(t.data) > maxTurnedBytes) {
		if !q.spilled[t.leg] {
			q.spilled[t.leg] = true
			q.waiting = append(q.waiting, turned{leg: t.leg, spilled: true})
		}
		return
	}
	t.data = slices.Clone(t.data)
	q.waiting = append(q.waiting, t)
	q.bytes += len(t.data)
}

// next is what was left meanwhile; without any the turn is given up. It takes over done, whose memory is used again.
func (q *turn) next(done []turned) []turned {
	clear(done)
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting, q.bytes, q.spilled = done[:0], 0, [2]bool{}
	q.taken = len(batch) > 0
	if !q.taken && q.end != nil {
		q.over = true
		q.end()
		q.end = nil
	}
	return batch
}

// finish is called by who has the turn, once one alone brings something. When nothing is left to do end is called, which only
// stores something: what is brought afterwards is done at once.
func (q *turn) finish(end func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = end
}
