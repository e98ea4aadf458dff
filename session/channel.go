package session

import (
	"slices"
	"strings"
	"sync/atomic"
)

// channel is one channel of the exchange, with all who listen to it on this session.
type channel struct {
	// The reader needs these for each notification; together they are one line of its cache.
	hash      uint64 // of name, in the index
	name      string
	listeners atomic.Pointer[listeners] // replaced, never changed, under the registry's lock
	epoch     atomic.Uint64             // of the last notification
	received  atomic.Uint64
	isBook    bool
	chain     chain

	kind      *kind
	confirmed atomic.Uint64 // epoch of the connection that confirmed it last
	gaps      atomic.Uint64
}

// listeners are those to whom a channel's notifications go.
type listeners struct {
	sinks []*Subscription
	taps  []*tap
}

// tap is a handler that Handle added.
type tap struct{ fn func(Notification) }

func newChannel(name string, k *kind) *channel {
	ch := &channel{name: name, kind: k, isBook: isBookWithChain(name)}
	ch.listeners.Store(&listeners{})
	return ch
}

// deliver hands a notification to all listeners. It runs on the reader's goroutine.
func (ch *channel) deliver(epoch uint64, data []byte) {
	ch.received.Add(1)
	to := ch.listeners.Load()
	same := ch.epoch.Load() == epoch
	if !same {
		ch.epoch.Store(epoch)
	}
	if ch.isBook && !ch.chain.follow(same, data) {
		gap := &GapError{Reason: GapSequence, Channel: ch.name, Epoch: epoch}
		for _, sub := range to.sinks {
			sub.gap(gap)
		}
		ch.gaps.Add(1)
		ch.kind.gaps.Add(1)
	}
	n := Notification{Channel: ch.name, Data: data, Epoch: epoch}
	for _, t := range to.taps {
		t.fn(n)
	}
	for _, sub := range to.sinks {
		sub.push(ch, n)
	}
}

func (ch *channel) addSinkLocked(sub *Subscription) {
	old := ch.listeners.Load()
	if len(old.sinks) == 0 {
		ch.chain.last.Store(0) // what taps alone have seen is no part of this subscription's chain
	}
	if len(old.sinks)+len(old.taps) == 0 {
		ch.listeners.Store(&sub.alone)
		return
	}
	ch.listeners.Store(&listeners{sinks: append(slices.Clone(old.sinks), sub), taps: old.taps})
}

func (ch *channel) dropSinkLocked(sub *Subscription) bool {
	old := ch.listeners.Load()
	at := slices.Index(old.sinks, sub)
	if at < 0 {
		return false
	}
	ch.listeners.Store(&listeners{sinks: slices.Delete(slices.Clone(old.sinks), at, at+1), taps: old.taps})
	return true
}

func (ch *channel) addTapLocked(t *tap) {
	old := ch.listeners.Load()
	ch.listeners.Store(&listeners{sinks: old.sinks, taps: append(slices.Clone(old.taps), t)})
}

func (ch *channel) dropTapLocked(t *tap) {
	old := ch.listeners.Load()
	taps := slices.DeleteFunc(slices.Clone(old.taps), func(other *tap) bool { return other == t })
	ch.listeners.Store(&listeners{sinks: old.sinks, taps: taps})
}

// isDesired reports whether some subscription wants the channel: a tap alone subscribes to nothing.
func (ch *channel) isDesired() bool { return len(ch.listeners.Load().sinks) > 0 }

func (ch *channel) isIdle() bool {
	to := ch.listeners.Load()
	return len(to.sinks) == 0 && len(to.taps) == 0
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
