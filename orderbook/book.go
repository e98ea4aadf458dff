package orderbook

import (
	"fmt"
	"sync"
	"time"
)

// State says whether a book may be looked at.
type State uint8

// The states of a book.
const (
	// Stale is a book that is not known, or not for certain: it has no prices.
	Stale State = iota
	// Synced is a book as it stood at its change id.
	Synced
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Stale:
		return "stale"
	case Synced:
		return "synced"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Book is one order book. Its zero value is an empty book that is [Stale]. Any number of goroutines may read it while it is
// kept; it must not be copied.
//
// A connection that has fallen silent looks like a market that stands still. A session gives it up after two and a half intervals of
// [session.Config] Heartbeat, and so long the book is shown as it was, unless MaxAge says otherwise.
type Book struct {
	// MaxAge is for how long after its last message, by this machine's clock, the book is shown: then it is Stale until the next
	// one comes. 0 is without end. Choose it longer than the market stands still, for the exchange sends nothing while nothing
	// changes. It must not be changed once the book is in use. It is counted from when the message was applied: how far a slow follower
	// is behind tells [View] Time. Nothing else tells of an exchange whose change ids begin anew.
	MaxAge time.Duration

	mu         sync.RWMutex // protects the fields below
	state      State        // but for the age, see stateLocked
	applied    time.Time    // when the last message was, if there is a MaxAge
	instrument string
	changeID   int64
	timestamp  int64 // in milliseconds
	bids, asks ladder
	message    message // the last one, for its memory
}

// View is a book at one instant.
type View struct {
	State      State
	Instrument string
	// ChangeID is the id of the last message, the book's sequence; Time is the exchange's of that message.
	ChangeID int64
	Time     time.Time
	// Bids and Asks are the levels, best first; there are none while the book is Stale.
	Bids, Asks []Level
}

// Apply takes in a message: the data of a notification of a book's channel, which it does not keep. A complete message
// makes the book [Synced]; a change has to follow the last message. What a change repeats of the last message or before is
// passed over, which the exchange documents to happen.
//
// Errors are [ErrStale], a [*ChainError], a [*CrossedError], or match [ErrMessage]; each leaves the book [Stale].
func (b *Book) Apply(data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.state
	b.state = Stale // until all is well
	m := &b.message
	if err := m.decode(data); err != nil {
		return err
	}
	switch {
	case m.isComplete():
		return b.loadLocked(m)
	case before == Stale:
		return ErrStale
	case string(m.instrument) != b.instrument:
		return fmt.Errorf("%w: it is of another instrument", ErrMessage)
	case m.changeID <= b.changeID:
		b.state = before
		return nil
	case m.previous != b.changeID:
		return &ChainError{Last: b.changeID, Previous: m.previous, ChangeID: m.changeID}
	}
	for _, level := range m.bids {
		b.bids.set(level)
	}
	for _, level := range m.asks {
		b.asks.set(level)
	}
	return b.syncLocked(m)
}

// loadLocked takes in a message that holds the whole book.
func (b *Book) loadLocked(m *message) error {
	b.bids.sign, b.asks.sign = 1, -1
	if !b.bids.load(m.bids) || !b.asks.load(m.asks) {
		return fmt.Errorf("%w: a price comes twice", ErrMessage)
	}
	if b.instrument != string(m.instrument) {
		b.instrument = string(m.instrument)
	}
	return b.syncLocked(m)
}

// syncLocked ends an Apply whose levels are in place.
func (b *Book) syncLocked(m *message) error {
	b.changeID, b.timestamp = m.changeID, m.timestamp
	bid, ask := b.bids.best(), b.asks.best()
	if bid.Amount > 0 && ask.Amount > 0 && bid.Price >= ask.Price {
		return &CrossedError{Bid: bid, Ask: ask, ChangeID: m.changeID}
	}
	b.state = Synced
	if b.MaxAge > 0 {
		b.applied = time.Now()
	}
	return nil
}

// Invalidate makes the book [Stale] until the next complete message: for who knows that messages are missing.
func (b *Book) Invalidate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = Stale
}

// State says whether the book may be looked at now.
func (b *Book) State() State {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.stateLocked()
}

func (b *Book) stateLocked() State {
	if b.MaxAge > 0 && time.Since(b.applied) > b.MaxAge {
		return Stale
	}
	return b.state
}

// Best returns the best level of each side, with an amount of 0 for a side that is empty; not ok while the book is Stale.
// It does not allocate.
func (b *Book) Best() (bid, ask Level, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.stateLocked() == Stale {
		return bid, ask, false
	}
	return b.bids.best(), b.asks.best(), true
}

// View returns the book as it is now, with at most depth levels of each side; all if depth is negative. The caller owns it.
func (b *Book) View(depth int) View {
	var v View
	b.Fill(&v, depth)
	return v
}

// Fill makes v what [Book.View] returns, in the memory of v's levels: so it allocates only where they are too few.
func (b *Book) Fill(v *View, depth int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	*v = View{
		State: b.stateLocked(), Instrument: b.instrument, ChangeID: b.changeID, Bids: v.Bids[:0], Asks: v.Asks[:0],
	}
	if b.timestamp != 0 {
		v.Time = time.UnixMilli(b.timestamp)
	}
	if v.State == Synced {
		v.Bids, v.Asks = b.bids.appendTop(v.Bids, depth), b.asks.appendTop(v.Asks, depth)
	}
}
