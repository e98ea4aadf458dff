package session

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"
)

// Policy says what becomes of a subscription whose consumer is slower than its channels.
type Policy uint8

// The policies.
const (
	// DropOldest drops the oldest notifications and puts one gap marker in their place.
	DropOldest Policy = iota
	// Fail ends the subscription with a [*GapError] once the consumer has read what is buffered.
	Fail
	// Conflate keeps the newest notification of each channel, without a marker for those that it replaced: the consumer sees
	// how things stand. It is for channels whose messages are complete, as ticker, quote and grouped books; those that are
	// told by their changes are refused with [ErrConfig]. A gap drops what waits of the channels that it is about, counts that in
	// its Missed, and its marker stands before all else: what is taken of a channel after its marker came after the gap. The buffer
	// has one place for each channel; BufferBytes holds as it does for DropOldest.
	Conflate
)

// Notification is a message of a channel.
type Notification struct {
	Channel string
	// Data is the JSON of the message's data member. Its grammar has not been checked: that is for its decoder. It is valid
	// until the next notification is taken, or until the handler returns: whoever keeps it, clones it.
	Data json.RawMessage
	// Epoch is that of the connection over which it came.
	Epoch uint64
}

// entry is a place in a stream: a notification, or an error.
type entry struct {
	channel *channel
	data    []byte
	epoch   uint64
	err     error // a *GapError or a notice, if not nil
}

// notification is what the consumer is given of the entry, zero for a marker.
func (e *entry) notification() Notification {
	if e.err != nil {
		return Notification{}
	}
	return Notification{Channel: e.channel.name, Data: e.data, Epoch: e.epoch}
}

// ring buffers the stream of one subscription between the reader, which never waits for it, and one consumer. It reuses
// the memory of the notifications that it held.
type ring struct {
	policy   Policy
	maxBytes int
	arrived  chan struct{} // there may be something to take

	mu      sync.Mutex // protects the fields below
	entries []entry    // fixed size
	head, n int
	bytes   int
	lost    *GapError        // stands before head
	notices []error          // stand before all else: their place does not matter, and they must not be dropped
	end     error            // follows the last entry, nil while the stream goes on
	newest  map[*channel]int // where each channel's notification waits; nil unless the policy is Conflate
}

func newRing(policy Policy, size, maxBytes int) *ring {
	r := &ring{
		policy: policy, maxBytes: maxBytes,
		arrived: make(chan struct{}, 1), entries: make([]entry, size),
	}
	if policy == Conflate {
		r.newest = make(map[*channel]int, size)
	}
	return r
}

// push adds a notification, of which it copies the data. It returns a copy of the overflow marker that this began.
func (r *ring) push(ch *channel, n Notification) (began *GapError) {
	r.mu.Lock()
	e, began := r.placeLocked(ch, len(n.Data))
	if e != nil {
		e.channel, e.epoch, e.err = ch, n.Epoch, nil
		e.data = append(e.data[:0], n.Data...)
		r.bytes += len(n.Data)
	}
	r.mu.Unlock()
	r.wake()
	return began
}

// gap adds a gap marker. It returns a copy of the overflow marker that this began.
func (r *ring) gap(gap *GapError) (began *GapError) {
	var e *entry
	r.mu.Lock()
	switch {
	case r.mergeLocked(gap):
	case r.newest != nil && r.end == nil:
		r.lost = gap.merge(r.lost)
		r.outdateLocked(gap.Channel)
	default:
		if e, began = r.roomLocked(0); e != nil {
			e.err, e.data = gap, e.data[:0]
		}
	}
	r.mu.Unlock()
	r.wake()
	return began
}

// mergeLocked makes one marker of the last entry and of gap, and reports whether it did: the last is a marker too, of the same channel
// and connection, which has lost its authority and then was lost itself, say.
func (r *ring) mergeLocked(gap *GapError) bool {
	if r.n == 0 || r.end != nil {
		return false
	}
	e := &r.entries[(r.head+r.n-1)%len(r.entries)]
	last, isGap := e.err.(*GapError) //nolint:errorlint // our own marker, never wrapped
	if !isGap || last.Channel != gap.Channel || last.Epoch != gap.Epoch {
		return false
	}
	e.err = gap.merge(last)
	return true
}

// placeLocked returns the entry to fill with a notification of ch, as roomLocked does: the one that it replaces, if it does.
func (r *ring) placeLocked(ch *channel, size int) (e *entry, began *GapError) {
	if r.newest == nil || r.end != nil {
		return r.roomLocked(size)
	}
	if at, waits := r.newest[ch]; waits {
		e = &r.entries[at]
		r.bytes -= len(e.data)
		e.data = e.data[:0]
		began = r.makeRoomLocked(0, size)
		if _, waits = r.newest[ch]; waits {
			ch.kind.dropped.Add(1)
			return e, began
		}
		// It was among the oldest, of which too many bytes were left.
	}
	e, more := r.roomLocked(size)
	r.newest[ch] = (r.head + r.n - 1) % len(r.entries)
	return e, cmp.Or(began, more)
}

// roomLocked returns the entry to fill, nil if the stream has ended, and a copy of the overflow marker that this began.
func (r *ring) roomLocked(size int) (e *entry, began *GapError) {
	if r.end == nil {
		began = r.makeRoomLocked(1, size)
	}
	if r.end == nil {
		e = &r.entries[(r.head+r.n)%len(r.entries)]
		r.n++
	}
	return e, began
}

// notice adds an error that the consumer is told of next.
func (r *ring) notice(err error) {
	r.mu.Lock()
	r.notices = append(r.notices, err)
	r.mu.Unlock()
	r.wake()
}

// close ends the stream with err after what is buffered.
func (r *ring) close(err error) {
	r.mu.Lock()
	if r.end == nil {
		r.end = err
	}
	r.mu.Unlock()
	r.wake()
}

// ended is why the stream will end, nil while it goes on.
func (r *ring) ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end
}

func (r *ring) wake() {
	select {
	case r.arrived <- struct{}{}:
	default: // the consumer has not looked yet
	}
}

// makeRoomLocked applies the policy until there is room for so many more entries and bytes. It returns a copy of the
// overflow marker that this began.
func (r *ring) makeRoomLocked(places, size int) (began *GapError) {
	for r.n+places > len(r.entries) || r.n > 0 && r.bytes+size > r.maxBytes {
		if r.policy == Fail {
			gap := &GapError{Reason: GapOverflow, Missed: 1}
			r.end = gap
			return gap
		}
		isFirst := r.lost == nil
		if r.dropLocked(); isFirst && r.lost.Reason == GapOverflow {
			gap := *r.lost
			began = &gap
		}
	}
	return began
}

// dropLocked drops the oldest entry. What is lost in one place is announced by one marker.
func (r *ring) dropLocked() {
	e := r.popLocked()
	defer r.trimLocked(e)
	if gap, isGap := e.err.(*GapError); isGap { //nolint:errorlint // our own marker, never wrapped
		r.lost = gap.merge(r.lost)
		return
	}
	if r.lost == nil {
		r.lost = &GapError{Reason: GapOverflow, Epoch: e.epoch}
	}
	if r.lost.Channel != e.channel.name {
		r.lost.Channel = ""
	}
	r.lost.Missed++
	e.channel.kind.dropped.Add(1)
}

// outdateLocked drops what waits of a channel, or of all if it is empty: the marker of a gap, which stands before it, would have it
// pass for what came after.
func (r *ring) outdateLocked(channel string) {
	stay := 0
	for i := range r.n {
		from, to := (r.head+i)%len(r.entries), (r.head+stay)%len(r.entries)
		e := &r.entries[from]
		if channel != "" && e.channel.name != channel {
			r.entries[from], r.entries[to] = r.entries[to], r.entries[from]
			r.newest[r.entries[to].channel] = to
			stay++
			continue
		}
		r.bytes -= len(e.data)
		delete(r.newest, e.channel)
		r.trimLocked(e)
		r.lost.Missed++
		e.channel.kind.dropped.Add(1)
	}
	r.n = stay
}

// merge returns the marker of a gap that follows another one, nil for none, without anything between. It tells of the
// graver loss, and names a channel only if both are about that.
func (e *GapError) merge(earlier *GapError) *GapError {
	merged := *e
	if earlier == nil {
		return &merged
	}
	merged.Missed += earlier.Missed
	if merged.Channel != earlier.Channel {
		merged.Channel = ""
	}
	if earlier.Reason == GapReconnect {
		merged.Reason, merged.Epoch = earlier.Reason, max(merged.Epoch, earlier.Epoch)
	}
	return &merged
}

// trimLocked lets go of memory in a free place that is more than the place's share: what the ring keeps for later is
// bounded as what it holds.
func (r *ring) trimLocked(e *entry) {
	if cap(e.data) > r.maxBytes/len(r.entries) {
		e.data = nil
	}
}

func (r *ring) popLocked() *entry {
	e := &r.entries[r.head]
	r.head = (r.head + 1) % len(r.entries)
	r.n--
	r.bytes -= len(e.data)
	if r.newest != nil {
		delete(r.newest, e.channel)
	}
	return e
}

// take waits for the next entry and moves it into e, giving e's old memory to the ring. It reports false at the
// stream's end, and when ctx has ended, whatever waits; the error is then in e.
func (r *ring) take(ctx context.Context, e *entry) bool {
	for ctx.Err() == nil {
		if ok, ended := r.poll(e); ok || ended {
			return ok
		}
		select {
		case <-r.arrived:
		case <-ctx.Done():
		}
	}
	e.err = ctx.Err()
	return false
}

// poll is take without a wait. ended reports the stream's end.
func (r *ring) poll(e *entry) (ok, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeLocked(e)
}

func (r *ring) takeLocked(e *entry) (ok, ended bool) {
	switch {
	case len(r.notices) > 0:
		e.err, r.notices = r.notices[0], r.notices[1:]
		return true, false
	case r.lost != nil:
		e.err, r.lost = r.lost, nil
		return true, false
	case r.n > 0:
		held := r.popLocked()
		*e, *held = *held, entry{data: e.data[:0]}
		r.trimLocked(held)
		return true, false
	case r.end != nil:
		e.err = r.end
		return false, true
	}
	return false, false
}
