package session

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestTurnIsOneAtATime has two readers bring 20,000 messages each: one at a time is done, each reader's in order, and none is missing
// that was not told to be.
func TestTurnIsOneAtATime(t *testing.T) {
	t.Parallel()
	const messages = 20_000
	var next [2]uint64 // of whose turn it is: the race detector tells
	spilled := false
	q := turn{do: func(m turned) {
		switch n := number64(m.data); {
		case m.spilled:
			spilled = true
		case n < next[m.leg], n > next[m.leg] && !spilled:
			t.Errorf("leg %d: %d, want %d", m.leg, n, next[m.leg])
		default:
			next[m.leg] = n + 1
		}
	}}
	var readers sync.WaitGroup
	for leg := range 2 {
		readers.Go(func() {
			buf := make([]byte, 0, 8)
			for n := range uint64(messages) {
				buf = append(buf[:0], bytes64(n)...) // as a reader's buffer, which is used again
				q.take(turned{leg: leg, data: buf})
			}
		})
	}
	readers.Wait()
	if !spilled && (next[0] != messages || next[1] != messages) || next[0]+next[1] < messages {
		t.Errorf("%d and %d messages", next[0], next[1])
	}
}

// TestTurnNeverWaits has one at it for long: the other reader leaves copies, and beyond what may wait is told once that some are missing.
func TestTurnNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var done []turned
		q := turn{do: func(m turned) {
			if m.act != nil {
				m.act()
			}
			m.data = bytes.Clone(m.data)
			done = append(done, m)
		}}
		var slow sync.WaitGroup
		slow.Go(func() { q.take(turned{act: func() { <-hold }}) })
		synctest.Wait()
		buf := []byte{0}
		for range maxTurned + 100 {
			buf[0]++
			q.take(turned{leg: 1, data: buf})
		}
		acted := false
		q.take(turned{act: func() { acted = true }})
		close(hold)
		slow.Wait()
		if n := len(done); n != 1+maxTurned+2 || !acted {
			t.Fatalf("%d done, acted %t, want what may wait, one marker and the act", n, acted)
		}
		for i, m := range done[1 : 1+maxTurned] {
			if m.spilled || m.data[0] != byte(i+1) {
				t.Fatalf("message %d is %v", i, m)
			}
		}
		if m := done[1+maxTurned]; !m.spilled || m.leg != 1 {
			t.Errorf("then %v, want that messages of leg 1 are missing", m)
		}
	})
}

// TestTurnTellsEachLoss has messages of many sizes left by one leg: once one did not fit, a small one that would is not left behind the
// marker, since the next that does not fit would be missing without a word.
func TestTurnTellsEachLoss(t *testing.T) {
	t.Parallel()
	var done []turned
	q := turn{do: func(m turned) {
		if m.act != nil {
			m.act()
			return
		}
		m.data = bytes.Clone(m.data)
		done = append(done, m)
	}}
	bring := func(leg, size int) { q.take(turned{leg: leg, data: make([]byte, size)}) }
	q.take(turned{act: func() { // meanwhile
		bring(1, maxTurnedBytes-1000)
		bring(1, 2000)
		bring(1, 1)
		bring(0, 1) // of the other leg, which has lost nothing
		bring(1, 2000)
	}})
	bring(1, 2000)
	want := []turned{{leg: 1, data: make([]byte, maxTurnedBytes-1000)}, {leg: 1, spilled: true}, {data: make([]byte, 1)}, {leg: 1, data: make([]byte, 2000)}}
	if !slices.EqualFunc(done, want, func(a, b turned) bool {
		return a.leg == b.leg && a.spilled == b.spilled && len(a.data) == len(b.data)
	}) {
		for _, m := range done {
			t.Errorf("leg %d: %d bytes, marker %t", m.leg, len(m.data), m.spilled)
		}
		t.Error("want what fitted, the marker, the other leg's, and what came when all was done")
	}
}

// TestTurnEnds has one reader left: what it brings is done at once, and nothing stays behind.
func TestTurnEnds(t *testing.T) {
	t.Parallel()
	var q turn
	done, ended := 0, 0
	q.do = func(m turned) {
		if done++; m.act != nil {
			m.act()
		}
	}
	q.take(turned{act: func() {
		q.finish(func() { ended++ })
		q.take(turned{leg: 1}) // of the reader, meanwhile
		if ended != 0 || done != 1 {
			t.Errorf("ended %d times, %d done, before all is done", ended, done)
		}
	}})
	q.take(turned{leg: 1})
	if ended != 1 || done != 3 || q.taken || len(q.waiting) != 0 {
		t.Errorf("ended %d times, %d done, taken %t, %d waiting", ended, done, q.taken, len(q.waiting))
	}
}
