package session

import (
	"hash/maphash"
	"strings"
)

// seam joins the streams of a connection and of the one that follows it, while both bring the same channels: until the first is
// left it alone feeds the subscriptions, and what the second brings is kept; then both do, each message once, until the first is
// closed: an answer may overtake notifications, so that what is asked of the first does not prove that nothing more comes over it.
// While there is a seam all deliveries of the session are one at a time, whichever reader brings them.
type seam struct {
	subs   *registry
	epochs [2]uint64 // of the two connections: the legs of the arbiters
	seed   maphash.Seed
	turn   turn

	// Of whose turn it is.
	arbiters map[*channel]*arbiter
	alone    map[*channel]bool // see isAlone
	before   map[*channel]bool // what the first connection had confirmed
	room     room
	isTorn   bool // something of the second connection is missing
	isLost   bool // something of the first may be: nothing more of it counts
	isLeft   bool // the first connection was left
	isOver   bool // one connection alone goes on: sole
	sole     int
}

const (
	legBefore = 0 // the connection that is left
	legAfter  = 1

	maxKeptBytes = 32 << 20
)

func (r *registry) newSeam(before, after uint64) *seam {
	x := &seam{
		subs: r, epochs: [2]uint64{before, after}, seed: maphash.MakeSeed(),
		arbiters: map[*channel]*arbiter{}, alone: map[*channel]bool{}, before: r.confirmedOver(before), room: room{maxKeptBytes},
	}
	x.turn.do = x.do
	return x
}

// bring takes a notification of one of the two connections, on its reader's goroutine.
func (x *seam) bring(epoch uint64, ch *channel, data []byte) {
	switch epoch {
	case x.epochs[legBefore]:
		x.turn.take(turned{leg: legBefore, channel: ch, data: data})
	case x.epochs[legAfter]:
		x.turn.take(turned{leg: legAfter, channel: ch, data: data})
	}
}

func (x *seam) do(t turned) {
	switch {
	case t.act != nil:
		t.act()
	case x.isOver && t.leg != x.sole, x.isLeft && x.isLost && t.leg == legBefore:
		// The other connection brings it too, or a gap was told.
	case t.spilled: // it has no channel
		x.spill(t.leg)
	case x.isOver:
		t.channel.deliver(x.serving(), t.data)
	case x.isLeft && x.isAlone(t.channel):
		if t.leg == legAfter {
			t.channel.deliver(x.serving(), t.data)
		}
	default:
		x.message(t)
	}
}

// isAlone reports whether the second connection alone brings a book: from when it has to begin with a snapshot, which is told over
// that one and may look like a repetition.
func (x *seam) isAlone(ch *channel) bool {
	if ch.chain.isBook && !x.alone[ch] && (ch.chain.last.Load() == 0 || ch.chain.broken.Load() || ch.chain.asked.Load() || ch.isAwaited()) {
		x.alone[ch] = true
		if a := x.arbiters[ch]; a != nil {
			a.leave(legBefore)
			delete(x.arbiters, ch)
		}
	}
	return x.alone[ch]
}

func (x *seam) message(t turned) {
	m, ok := portionOf(x.seed, t.channel, t.data)
	if ok && !x.arbiter(t.channel).message(t.leg, m) {
		x.spill(t.leg)
	}
}

// portionOf is a message with what tells it apart from others of its channel: the change id of a book, else a fingerprint of all of it.
// A book's message without its id is none.
func portionOf(seed maphash.Seed, ch *channel, data []byte) (m portion, ok bool) {
	if !hasChangeIDs(ch.name) {
		return portion{maphash.Bytes(seed, data), -1, data}, true
	}
	id, previous := changeIDs(data)
	return portion{uint64(max(id, 0)), previous, data}, id > 0
}

// hasChangeIDs reports whether each message of a channel has a change id that is greater than those before: all books'.
func hasChangeIDs(name string) bool { return strings.HasPrefix(name, "book.") }

func (x *seam) arbiter(ch *channel) *arbiter {
	a := x.arbiters[ch]
	if a == nil {
		a = &arbiter{
			rising: hasChangeIDs(ch.name), chained: ch.chain.isBook, leading: true, room: &x.room,
			deliver: func(_ int, data []byte) { ch.deliver(x.serving(), data) },
		}
		if ch.epoch.Load() == x.serving() {
			a.last = uint64(max(ch.chain.last.Load(), 0))
		}
		a.join(legBefore)
		a.join(legAfter)
		x.arbiters[ch] = a
		if x.isLeft {
			x.pass(a)
		}
	}
	return a
}

// serving is the epoch that deliveries are of.
func (x *seam) serving() uint64 {
	if x.isOver {
		return x.epochs[x.sole]
	}
	if x.isLeft {
		return x.epochs[legAfter]
	}
	return x.epochs[legBefore]
}

// spill is told that something is missing that a connection has brought.
func (x *seam) spill(at int) {
	switch {
	case x.isLeft, x.isOver:
		x.subs.lost(x.serving())
		x.beginAnew(x.serving())
	case at == legBefore:
		x.subs.lost(x.epochs[legBefore], x.epochs[legAfter])
		x.beginAnew(x.epochs[legBefore])
	default:
		x.isTorn = true
	}
}

// leave has the second connection go on. Everything has come over the first that was published before the second had all
// channels, unless isLost says that it may not have: then the subscriptions are told of a gap, and go on with what the second has
// brought.
func (x *seam) leave() {
	before, after := x.epochs[legBefore], x.epochs[legAfter]
	if x.isLost = x.isLost || x.isTorn; x.isLost {
		x.subs.lost(before, after)
		x.beginAnew(after)
	}
	x.isLeft = true
	x.subs.serving.Store(after)
	x.subs.carryOver(before, after) // no change of connection that a book's chain should break at
	for ch, a := range x.arbiters {
		if ch.chain.broken.Load() {
			a.last = 0 // the snapshot mends it
		}
		if x.isTorn || x.isLost && ch.chain.isBook {
			a.drop(&a.legs[legAfter])
		}
		x.pass(a)
	}
}

// pass has the second connection go on with a channel: beside the first, unless that is lost.
func (x *seam) pass(a *arbiter) {
	if x.isLost {
		a.leading = false
		a.leave(legBefore)
	} else {
		a.yield()
	}
}

// beginAnew has all books wait for another snapshot, over the connection of epoch: after a gap they need one, and what has come of that
// connection may begin behind its own.
func (x *seam) beginAnew(epoch uint64) {
	for _, ch := range x.subs.all() {
		if ch.chain.isBook {
			ch.epoch.Store(epoch)
			ch.chain.forget()
			ch.chain.broken.Store(true)
		}
	}
	x.subs.mend()
}

// undo ends the seam: the second connection has been closed, and the first goes on.
func (x *seam) undo() {
	x.subs.giveBack(x.epochs[legAfter], x.epochs[legBefore], x.before)
	x.subs.mend() // what came to be owed meanwhile was looked for over the second
	x.end(legBefore)
}

// end ends the seam: from now on one connection alone brings something.
func (x *seam) end(sole int) {
	if sole == legAfter {
		for _, a := range x.arbiters {
			a.leave(legBefore)
		}
	}
	x.isOver, x.sole, x.arbiters = true, sole, nil
	x.turn.finish(func() { x.subs.seam.CompareAndSwap(x, nil) })
}

// in has f called when it is its turn, after what the readers have brought so far.
func (x *seam) in(f func()) { x.turn.take(turned{act: f}) }
