package session_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

// ringModel checks a ring against what was put into it.
type ringModel struct {
	ring    *session.Ring
	channel *session.RingChannel
	pushed  uint64   // number of the notification to be pushed next
	next    uint64   // number of the first notification that is not accounted for
	gaps    []uint64 // gap markers not seen yet, by the number of the notification that they stand before
	merged  int      // how many of those that stand before next may have become one with a marker before them
}

func (m *ringModel) push(t *rapid.T) {
	data := make([]byte, rapid.IntRange(8, 40).Draw(t, "size"))
	binary.LittleEndian.PutUint64(data, m.pushed)
	m.pushed++
	m.channel.Push(1, data)
	clear(data) // the ring must have copied it
}

func (m *ringModel) gap(*rapid.T) {
	m.gaps = append(m.gaps, m.pushed)
	m.ring.Gap(&session.GapError{Reason: session.GapReconnect, Epoch: 1})
}

func (m *ringModel) take(t *rapid.T) {
	n, err, ok := m.ring.TakeNow()
	gap, isGap := errors.AsType[*session.GapError](err)
	switch {
	case !ok && m.next != m.pushed:
		t.Fatalf("the ring is empty at %d of %d notifications", m.next, m.pushed)
	case !ok:
		m.settle(t)
	case isGap && gap.Reason == session.GapOverflow:
		m.takeOverflow(t, gap)
	case isGap:
		m.takeGap(t, gap)
	default:
		if id := binary.LittleEndian.Uint64(n.Data); id != m.next {
			t.Fatalf("took notification %d, want %d: what is missing was not announced before it", id, m.next)
		}
		m.settle(t)
		m.next++
	}
}

// settle checks that no marker is owed before the notification next.
func (m *ringModel) settle(t *rapid.T) {
	if owed := m.before(m.next); owed > m.merged {
		t.Fatalf("%d gap markers before notification %d were not seen", owed-m.merged, m.next)
	}
	m.forget(m.before(m.next))
	m.merged = 0
}

func (m *ringModel) takeOverflow(t *rapid.T, gap *session.GapError) {
	if m.settle(t); gap.Missed == 0 {
		t.Fatal("an overflow marker counts nothing")
	}
	m.next += gap.Missed
	if owed := m.before(m.next - 1); owed > 0 {
		t.Fatalf("an overflow marker hides %d gap markers", owed)
	}
}

func (m *ringModel) takeGap(t *rapid.T, gap *session.GapError) {
	m.next += gap.Missed
	inside := 0
	if gap.Missed > 0 {
		inside = m.before(m.next - 1)
	}
	m.forget(inside)
	atEnd := m.before(m.next)
	if inside == 0 {
		if atEnd == 0 {
			t.Fatalf("a gap marker before notification %d tells of no loss, or of one that was told before", m.next)
		}
		m.forget(1)
		atEnd--
	}
	m.merged = atEnd
}

// before is how many markers stand before the notification n.
func (m *ringModel) before(n uint64) int {
	at, _ := slices.BinarySearch(m.gaps, n+1)
	return at
}

func (m *ringModel) forget(n int) { m.gaps = m.gaps[n:] }

// TestI4EachNotificationIsTakenOrCountedOnce is promise I4 for a slow consumer: whatever is pushed is either taken, in
// order, or counted in exactly one marker that stands in its place.
// Asks: ccxt#23251, ccxt#29719.
func TestI4EachNotificationIsTakenOrCountedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ring := session.NewRing(session.DropOldest, rapid.IntRange(1, 6).Draw(t, "entries"), rapid.IntRange(30, 200).Draw(t, "bytes"))
		m := &ringModel{ring: ring, channel: ring.Channel("c")}
		t.Repeat(map[string]func(*rapid.T){
			"push": m.push, "push more": m.push, "gap": m.gap, "take": m.take,
		})
		for range m.pushed + uint64(len(m.gaps)) + 2 {
			m.take(t)
		}
		if m.next != m.pushed || len(m.gaps) > 0 {
			t.Fatalf("at the end: %d of %d notifications, %d markers owed", m.next, m.pushed, len(m.gaps))
		}
	})
}
