package session

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// channel is one channel of the exchange, with all who listen to it on this session.
type channel struct {
	// The reader needs these for each notification; together they are one line of its cache.
	hash      uint64 // of name, in the index
	name      string
	listeners atomic.Pointer[listeners] // replaced by change
	epoch     atomic.Uint64             // of the last notification
	received  atomic.Uint64
	chain     chain

	kind      *kind
	confirmed atomic.Uint64 // epoch of the connection that confirmed it last
	gaps      atomic.Uint64
	mend      func() // has the session look which books are owed a snapshot; never waits
	pace      *pace  // of a book that was mended; the mender's

	// Protected by the registry's lock.
	seen   uint64    // how many had been received at the last look at quiet channels
	sure   time.Time // when the exchange last confirmed it
	asking int       // by how many it is asked for who are told of a refusal
	since  uint64    // the registry's number of the subscription from which on it has been desired
}

// listeners are those to whom a channel's notifications go.
type listeners struct {
	sinks []*Subscription
	taps  []*tap
	late  []*Subscription // of a book: they came after its snapshot, and listen from the next one on
}

func (to *listeners) isDesired() bool { return len(to.sinks)+len(to.late) > 0 }

// tap is a handler that Handle added.
type tap struct{ fn func(Notification) }

func newChannel(name string, k *kind, mend func()) *channel {
	ch := &channel{name: name, kind: k, mend: mend}
	ch.chain.isBook = isBookWithChain(name)
	ch.listeners.Store(&listeners{})
	return ch
}

// deliver hands a notification to all listeners. It runs on the reader's goroutine.
func (ch *channel) deliver(epoch uint64, data []byte) {
	ch.received.Add(1)
	if ch.epoch.Load() != epoch {
		ch.chain.forget()
		ch.epoch.Store(epoch)
	}
	if ch.chain.isBook && !ch.admit(epoch, data) {
		return
	}
	to := ch.listeners.Load()
	n := Notification{Channel: ch.name, Data: data, Epoch: epoch}
	for _, t := range to.taps {
		t.fn(n)
	}
	for _, sub := range to.sinks {
		sub.push(ch, n)
	}
}

// admit marks what was lost before a book's message, and reports whether the message is to be delivered.
func (ch *channel) admit(epoch uint64, data []byte) bool {
	switch ch.chain.follow(data) {
	case follows:
		return true
	case withheld:
		return false
	case breaks:
		ch.missed(GapSequence, epoch)
		ch.mend()
		return false
	case orphaned: // nobody has missed anything that is told here
		ch.mend()
		return false
	case leaps:
		ch.missed(GapSequence, epoch)
	case resumes:
		ch.missed(GapResync, epoch)
	case begins:
	}
	ch.welcome()
	return true
}

// missed marks a gap in the streams of those who listen.
func (ch *channel) missed(reason GapReason, epoch uint64) {
	gap := &GapError{Reason: reason, Channel: ch.name, Epoch: epoch}
	for _, sub := range ch.listeners.Load().sinks {
		sub.gap(gap)
	}
	ch.gaps.Add(1)
	if reason == GapSequence {
		ch.kind.gaps.Add(1)
	}
}

// welcome has those listen who waited for a snapshot.
func (ch *channel) welcome() {
	if len(ch.listeners.Load().late) == 0 {
		return
	}
	ch.change(func(old *listeners) *listeners {
		return &listeners{sinks: slices.Concat(old.sinks, old.late), taps: old.taps}
	})
}

// isOwed reports whether the connection of epoch owes the book a snapshot: its chain is broken, somebody came after its snapshot, or it was
// given up for one and is not confirmed again, though who wanted that may have left. While nothing has come over that connection the first
// snapshot is still on its way.
func (ch *channel) isOwed(epoch uint64) bool {
	if !ch.chain.isBook || !ch.isDesired() || ch.confirmed.Load() != epoch || ch.epoch.Load() != epoch {
		return false
	}
	return ch.chain.broken.Load() || ch.chain.last.Load() != 0 && (ch.chain.vacant.Load() || ch.isAwaited())
}

// isAwaited reports whether somebody came after the book's snapshot.
func (ch *channel) isAwaited() bool { return len(ch.listeners.Load().late) > 0 }

// change replaces the listeners. The registry's lock does not keep the reader from doing so, who waits for no lock.
func (ch *channel) change(to func(old *listeners) *listeners) {
	for {
		old := ch.listeners.Load()
		if ch.listeners.CompareAndSwap(old, to(old)) {
			return
		}
	}
}

func (ch *channel) addSinkLocked(sub *Subscription) {
	if !ch.isDesired() {
		ch.chain.forget() // what taps alone have seen is no part of this subscription's chain
	}
	ch.change(func(old *listeners) *listeners {
		switch {
		case !old.isDesired() && len(old.taps) == 0:
			return &sub.alone
		case ch.chain.isBook && old.isDesired():
			return &listeners{sinks: old.sinks, taps: old.taps, late: append(slices.Clone(old.late), sub)}
		}
		return &listeners{sinks: append(slices.Clone(old.sinks), sub), taps: old.taps}
	})
}

// postponeLocked has a sink wait for the next snapshot, as if it came only now.
func (ch *channel) postponeLocked(sub *Subscription) {
	ch.change(func(old *listeners) *listeners {
		late := append(without(old.late, sub), sub)
		return &listeners{sinks: without(old.sinks, sub), taps: old.taps, late: late}
	})
}

func (ch *channel) dropSinkLocked(sub *Subscription) bool {
	to := ch.listeners.Load()
	if !slices.Contains(to.sinks, sub) && !slices.Contains(to.late, sub) {
		return false
	}
	ch.change(func(old *listeners) *listeners {
		return &listeners{sinks: without(old.sinks, sub), taps: old.taps, late: without(old.late, sub)}
	})
	return true
}

func (ch *channel) addTapLocked(t *tap) {
	ch.change(func(old *listeners) *listeners {
		return &listeners{sinks: old.sinks, taps: append(slices.Clone(old.taps), t), late: old.late}
	})
}

func (ch *channel) dropTapLocked(t *tap) {
	ch.change(func(old *listeners) *listeners {
		return &listeners{sinks: old.sinks, taps: without(old.taps, t), late: old.late}
	})
}

// without returns a copy of list without x.
func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return y == x })
}

// isDesired reports whether some subscription wants the channel: a tap alone subscribes to nothing.
func (ch *channel) isDesired() bool { return ch.listeners.Load().isDesired() }

func (ch *channel) isIdle() bool {
	to := ch.listeners.Load()
	return !to.isDesired() && len(to.taps) == 0
}

// privatePrefixes are the channels that only an authenticated connection is given.
var privatePrefixes = []string{"user.", "block_rfq.maker", "block_rfq.taker", "block_trade_confirmations"}

func isPrivateChannel(name string) bool {
	return slices.ContainsFunc(privatePrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// isRaw reports whether a public channel is one that only an authenticated connection is given.
func isRaw(name string) bool { return strings.HasSuffix(name, ".raw") }

// isBookWithChain reports whether the channel's messages are deltas that name their predecessor: book.INSTRUMENT.INTERVAL.
func isBookWithChain(name string) bool {
	return strings.HasPrefix(name, "book.") && strings.Count(name, ".") == 2
}
