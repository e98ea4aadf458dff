package session

import "slices"

// arbiter makes one stream of the two copies of a channel that two connections bring: wire order, nothing twice, and a gap only
// where neither copy can show that nothing is missing. It decides and keeps; it is used by one goroutine at a time, see turn.
// That an exchange tells the same messages over both connections is not documented: where it does not, one copy leads. Messages without
// an id that are the same to the letter and follow each other may be delivered as one.
//
// Where each message names the one before it, that is the proof: what does not follow the last one is kept while the other copy may
// bring what does.
//
// A copy is aligned when what it brings next is known to repeat or to follow what has been delivered. The first copy to join is
// aligned: it is the stream. The other one is aligned as soon as a message has come over both. Until that its messages are kept. At all
// times one of those that have joined is aligned. A copy that has brought nothing yet is vouched for when whoever asked the first copy's
// connection after it joined has the answer, and waited for what that may have overtaken: what the exchange published before has come then.
// That is enough to go on with if the first is lost, and not to deliver before the first does.
type arbiter struct {
	// rising keys are change ids: whatever is not greater than the last delivered has been. Other keys are fingerprints, and a
	// message is a repetition if the other copy has brought an equal one that this copy has not.
	rising bool
	// chained says that messages name the one before, unless they are snapshots; their keys rise.
	chained bool
	// leading has the first leg alone deliver while it is there; the other's messages are kept until it has left.
	leading bool
	// yielding ends that when the second leg is aligned: see yield.
	yielding bool
	deliver  func(leg int, data []byte)
	// room bounds what is kept, for all arbiters that share it; needed where two legs join.
	room *room

	last uint64 // the greatest key delivered; of rising keys
	legs [2]leg
}

// leg is one of the two copies.
type leg struct {
	joined  bool
	aligned bool
	vouched bool      // it would have been aligned, had anything come over both
	strange int       // messages that came while others were owed, since the last that had come over both
	owed    []uint64  // keys of what the other has delivered and this one has not brought yet; of keys that do not rise
	kept    []portion // what this one has brought and the other has not
	keeps   uint64    // how many have been kept so far
}

// portion is a message: what a leg brings at a time.
type portion struct {
	key      uint64
	previous int64 // change id of the message before it; -1 if it names none
	data     []byte
}

// A copy that is further behind or ahead than this is not followed: see keep and owe.
const (
	maxOwed = 1024
	maxKept = 1024
)

// strangers is how many messages in a row may come of a leg that owes others: what it owes may have been published before it joined and
// have come late over the other, which may have begun with how things stand, too; that is told to nobody else.
const strangers = 2

// room is how many bytes more may be kept.
type room struct{ bytes int }

// join has a leg take part from its next message on. What it owes it still does: the other may have been ahead. What that delivered before
// this one had the channel does no harm among it.
func (a *arbiter) join(at int) {
	x, y := &a.legs[at], &a.legs[1-at]
	if x.joined {
		return
	}
	x.strange = 0
	x.joined, x.aligned, x.vouched = true, !y.joined, false
}

// message takes a message of a leg, which joins by it if it has not. It reports false if one had to be forgotten that was kept.
func (a *arbiter) message(at int, m portion) bool {
	x, y := &a.legs[at], &a.legs[1-at]
	if !x.joined {
		a.join(at)
	}
	switch {
	case a.repeats(x, m.key):
		a.drop(x)
		x.aligned, x.strange = true, 0
		a.leading = a.leading && !a.yielding
		return true
	case a.chained:
		x.aligned = !y.aligned || a.leading && at == 0 || a.follows(x, m)
	case len(x.owed) == 0, !x.aligned:
	case x.strange < strangers:
		if x.strange++; x.strange == strangers {
			x.owed = nil
		}
	case y.aligned:
		// What it should have brought first does not come: the exchange tells the two copies differently. One of them
		// leads from now on.
		a.forget(x)
		return a.keep(x, m)
	}
	if !x.aligned || a.leading && at == 1 && y.joined {
		return a.keep(x, m)
	}
	a.pass(at, m)
	if a.has(y, m.key) {
		y.aligned = true
		if a.leading = a.leading && !a.yielding; !a.leading {
			a.release(1 - at)
		}
	}
	return true
}

// repeats reports whether a message has been delivered, as far as is known, and notes that it has come over this leg too.
func (a *arbiter) repeats(x *leg, key uint64) bool {
	if a.rising {
		return key <= a.last
	}
	i := slices.Index(x.owed, key)
	if i < 0 {
		return false
	}
	x.owed = x.owed[i+1:]
	return true
}

// pass delivers a message.
func (a *arbiter) pass(at int, m portion) {
	if a.rising {
		a.last = m.key
	} else if y := &a.legs[1-at]; !y.brought(m.key) {
		y.owe(m.key)
	}
	a.deliver(at, m.data)
}

// follows reports whether what a leg has kept, and m behind it, goes on where the stream ends; of a chain.
func (a *arbiter) follows(x *leg, m portion) bool {
	if len(x.kept) > 0 {
		m = x.kept[0]
	}
	return m.previous >= 0 && uint64(m.previous) == a.last
}

// release delivers what a leg has kept.
func (a *arbiter) release(at int) {
	x := &a.legs[at]
	held := x.kept
	if a.drop(x); len(held) >= strangers {
		x.owed = nil // had the other gone beyond what is kept here, it would have brought that
	}
	for _, m := range held {
		if !a.repeats(x, m.key) {
			a.pass(at, m)
		}
	}
}

// vouch is told that everything has come over the other leg that the exchange published before this one joined.
func (a *arbiter) vouch(at int) { a.legs[at].vouched = true }

// canGoOn reports whether nothing is missing, as far as is known, if the leg alone goes on.
func (x *leg) canGoOn() bool { return x.aligned || x.joined && x.vouched }

// takeOver has a leg go on whatever the other has yet to bring: that one is behind until it has brought something of this one's.
func (a *arbiter) takeOver(at int) {
	other := &a.legs[1-at]
	other.aligned, other.vouched = false, false
	a.legs[at].aligned = true
	a.release(at)
}

// yield has the second leg deliver beside the first, which has led so far, and is told what vouch is told. If it has brought something that the
// first has not, the first is behind whatever was asked of it: then it leads on until it has caught up.
func (a *arbiter) yield() {
	x := &a.legs[1]
	a.yielding = true
	if a.leading = !x.aligned && len(x.kept) > 0; !a.leading {
		x.aligned = true
		a.release(1)
	}
}

// leave takes a leg away of which nothing more will come, and nothing that matters is missing: the other one goes on.
func (a *arbiter) leave(at int) {
	a.forget(&a.legs[at])
	a.legs[at].joined = false
	if other := &a.legs[1-at]; other.joined {
		other.aligned = true
		a.release(1 - at)
	}
}

// lose is told that messages of a leg may be missing, which joins again by what it brings next. It reports whether that is a gap in
// the stream, which is told before next is called.
func (a *arbiter) lose(at int) (gap bool) {
	x, y := &a.legs[at], &a.legs[1-at]
	if !x.joined {
		return false
	}
	if gap = !y.canGoOn(); gap {
		a.last = 0 // a book begins anew
	}
	y.aligned = y.joined
	a.forget(x)
	x.joined = false
	return gap
}

// next goes on, after a leg was lost, with what the other has kept.
func (a *arbiter) next() {
	for at := range a.legs {
		if a.legs[at].aligned {
			a.release(at)
		}
	}
}

// keep keeps a message until its turn comes. Beyond the bounds all before it is forgotten, which it reports by false.
func (a *arbiter) keep(x *leg, m portion) bool {
	fits := len(x.kept) < maxKept && len(m.data) <= a.room.bytes
	if !fits {
		a.drop(x)
		x.vouched = false
	}
	if len(m.data) <= a.room.bytes {
		m.data = slices.Clone(m.data)
		x.kept = append(x.kept, m)
		x.keeps++
		a.room.bytes -= len(m.data)
	}
	return fits
}

// owe notes what this leg has yet to bring. The oldest is forgotten beyond the bound: then it is not known any more whether what comes next
// is a repetition, whatever was vouched for.
func (x *leg) owe(key uint64) {
	if len(x.owed) >= maxOwed {
		x.owed = slices.Delete(x.owed, 0, maxOwed/4)
		x.aligned, x.vouched = false, false
	}
	x.owed = append(x.owed, key)
}

// has takes away what a leg has kept up to a message that was delivered, and reports whether that was among it, or what is left follows it.
func (a *arbiter) has(x *leg, key uint64) bool {
	if len(x.kept) == 0 {
		return false
	}
	n := 0
	for i, m := range x.kept {
		if m.key == key || a.rising && m.key < key {
			n = i + 1
		}
		if m.key == key || a.rising && m.key > key {
			break
		}
	}
	if a.chained {
		a.dropFirst(x, n)
		return len(x.kept) == 0 || a.follows(x, x.kept[0])
	}
	if n == 0 {
		return false
	}
	a.dropFirst(x, n)
	x.owed, x.strange = nil, 0 // what it has not brought so far came before
	return true
}

// brought reports whether the leg keeps a message of that key.
func (x *leg) brought(key uint64) bool {
	return slices.ContainsFunc(x.kept, func(m portion) bool { return m.key == key })
}

// drop takes away what a leg has kept.
func (a *arbiter) drop(x *leg) { a.dropFirst(x, len(x.kept)) }

func (a *arbiter) dropFirst(x *leg, n int) {
	a.giveBack(x.kept[:n])
	if x.kept = x.kept[n:]; len(x.kept) == 0 {
		x.kept = nil
	}
}

// keptAt is how many of those that a leg keeps it kept when it had kept so many.
func (x *leg) keptAt(keeps uint64) int {
	gone := x.keeps - uint64(len(x.kept))
	return int(max(keeps, gone) - gone) //nolint:gosec // at most what is kept
}

func (a *arbiter) giveBack(messages []portion) {
	for _, m := range messages {
		a.room.bytes += len(m.data)
	}
}

func (a *arbiter) forget(x *leg) {
	a.drop(x)
	x.owed, x.aligned, x.vouched = nil, false, false
}
