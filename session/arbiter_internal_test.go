package session

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// copies is an exchange that publishes 1, 2, 3, ... over two connections, each of which is behind by what is under way, and may be
// lost with that. What the arbiter makes of them is held against what was published.
type copies struct {
	t         *rapid.T
	arbiter   arbiter
	room      room
	rising    bool
	says      bool   // connections begin with how things stand
	said      uint64 // how often they have
	published uint64
	legs      [2]wire
	merged    []uint64 // 0 for a gap
}

type wire struct {
	open bool
	says bool   // it begins with how things stand, which is no message that was published
	from uint64 // what was published when it was opened
	sent uint64 // what has come over it
}

func (c *copies) key(n uint64) uint64 {
	if c.rising {
		return n
	}
	return n * 0x9e3779b97f4a7c15 // in no order
}

func (c *copies) deliver(_ int, data []byte) {
	if len(data) > 0 {
		c.merged = append(c.merged, number64(data))
	}
}

func number64(data []byte) (n uint64) {
	for _, b := range slices.Backward(data) {
		n = n<<8 | uint64(b)
	}
	return n
}

func bytes64(n uint64) (data []byte) {
	for ; n > 0; n >>= 8 {
		data = append(data, byte(n))
	}
	return data
}

func (c *copies) bring(at int) {
	w := &c.legs[at]
	switch {
	case w.open && w.says:
		w.says = false
		if c.rising {
			c.arbiter.message(at, portion{c.key(w.from), -1, bytes64(w.from)})
		} else {
			c.said++
			c.arbiter.message(at, portion{^c.said, -1, nil})
		}
		return
	case !w.open || w.sent == c.published:
		return
	}
	w.sent++
	if !c.arbiter.message(at, portion{c.key(w.sent), -1, bytes64(w.sent)}) {
		c.t.Fatal("something that was kept has been forgotten")
	}
}

func (c *copies) open(at int) {
	if w := &c.legs[at]; !w.open {
		*w = wire{open: true, says: c.says && c.published > 0, from: c.published, sent: c.published}
		c.arbiter.join(at)
	}
}

// cut loses a connection with what is under way.
func (c *copies) cut(at int) {
	if w := &c.legs[at]; w.open {
		w.open = false
		if c.arbiter.lose(at) {
			c.merged = append(c.merged, 0)
		}
		c.arbiter.next()
	}
}

// vouch is the answer to a question that the other connection was asked after this one was opened.
func (c *copies) vouch(at int) {
	if w, other := c.legs[at], c.legs[1-at]; w.open && other.open && other.sent >= w.from {
		if c.arbiter.vouch(at); !c.arbiter.legs[at].aligned && len(c.arbiter.legs[at].kept) > 0 {
			c.arbiter.takeOver(at)
		}
	}
}

// check fails unless everything published is in the stream, once and in its order, or has a gap in its place.
func (c *copies) check() {
	isGap, last := false, uint64(0)
	for _, n := range c.merged {
		switch {
		case n == 0: // two losses may follow each other
			isGap = true
		case n <= last && (!isGap || !c.rising): // a book begins anew
			c.t.Fatalf("%d after %d: %v", n, last, c.merged)
		case n != last+1 && !isGap:
			c.t.Fatalf("%d follows %d, and no gap: %v", n, last, c.merged)
		default:
			isGap, last = false, n
		}
	}
	kept := 0
	for _, x := range c.arbiter.legs {
		for _, m := range x.kept {
			kept += len(m.data)
		}
	}
	if kept+c.room.bytes != 1<<20 {
		c.t.Fatalf("%d bytes are kept, and there is room for %d", kept, c.room.bytes)
	}
	for at, w := range c.legs {
		if x := c.arbiter.legs[at]; w.open && x.aligned && w.sent > last && !isGap && !c.arbiter.leading {
			c.t.Fatalf("leg %d has brought %d, and the stream ends with %d", at, w.sent, last)
		}
	}
}

// TestArbiterProperty cuts, opens and delays the connections at random.
func TestArbiterProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &copies{t: t, room: room{1 << 20}, rising: rapid.Bool().Draw(t, "rising"), says: rapid.Bool().Draw(t, "says")}
		c.arbiter = arbiter{room: &c.room, rising: c.rising, deliver: c.deliver}
		c.open(0)
		leg := rapid.IntRange(0, 1)
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) { c.published += uint64(rapid.IntRange(1, 5).Draw(t, "messages")) },
			"bring": func(t *rapid.T) {
				at := leg.Draw(t, "leg")
				for range rapid.IntRange(1, 8).Draw(t, "messages") {
					c.bring(at)
				}
			},
			"open":  func(t *rapid.T) { c.open(leg.Draw(t, "leg")) },
			"cut":   func(t *rapid.T) { c.cut(leg.Draw(t, "leg")) },
			"vouch": func(t *rapid.T) { c.vouch(leg.Draw(t, "leg")) },
			"":      func(*rapid.T) { c.check() },
		})
	})
}

// TestArbiterLosesNothingWhileOneIsThere has two connections lost in turn, each while the other is there and has caught up: no gap.
func TestArbiterLosesNothingWhileOneIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &copies{t: t, room: room{1 << 20}, rising: rapid.Bool().Draw(t, "rising"), says: rapid.Bool().Draw(t, "says")}
		c.arbiter = arbiter{room: &c.room, rising: c.rising, deliver: c.deliver}
		c.open(0)
		for round := range 20 {
			down := round % 2
			c.open(1 - down)
			c.published += uint64(rapid.IntRange(0, 4).Draw(t, "published"))
			for range rapid.IntRange(0, 3).Draw(t, "ahead") {
				c.bring(1 - down)
			}
			for c.legs[down].sent < c.legs[1-down].from { // the answer comes after what was published before the question
				c.bring(down)
			}
			if c.legs[1-down].says { // that comes before the answer, too
				c.bring(1 - down)
			}
			c.vouch(1 - down)
			c.published += uint64(rapid.IntRange(0, 4).Draw(t, "published"))
			for range rapid.IntRange(0, 3).Draw(t, "more") {
				c.bring(rapid.IntRange(0, 1).Draw(t, "leg"))
			}
			for len(c.arbiter.legs[1-down].kept) > 0 && c.legs[down].sent < c.published { // until something has come over both nothing proves that it goes on there
				c.bring(down)
			}
			c.cut(down)
			c.check()
		}
		if slices.Contains(c.merged, 0) {
			t.Fatalf("a gap: %v", c.merged)
		}
	})
}

// TestArbiterHandsOver has the second connection take over from the first.
func TestArbiterHandsOver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &copies{t: t, room: room{1 << 20}, rising: rapid.Bool().Draw(t, "rising"), says: rapid.Bool().Draw(t, "says")}
		c.arbiter = arbiter{room: &c.room, rising: c.rising, leading: true, deliver: c.deliver}
		some := rapid.IntRange(0, 5)
		step := func(legs ...int) {
			c.published += uint64(some.Draw(t, "published"))
			for _, at := range legs {
				for range some.Draw(t, "brought") {
					c.bring(at)
				}
			}
			c.check()
		}
		c.open(0)
		step(0)
		step(0)
		c.open(1)
		for range some.Draw(t, "rounds") {
			step(0, 1)
			step(1, 0)
		}
		for c.legs[0].sent < c.legs[1].from {
			c.bring(0)
		}
		switch rapid.IntRange(0, 1).Draw(t, "end") {
		case 0:
			c.arbiter.vouch(1)
			c.legs[0].open = false
			c.arbiter.leave(0)
		case 1:
			c.arbiter.yield()
			for range some.Draw(t, "beside") {
				step(0, 1)
				step(1, 0)
			}
			for c.legs[0].sent < c.legs[1].from {
				c.bring(0)
			}
			c.legs[0].open = false
			c.arbiter.leave(0)
		}
		step(1)
		for c.legs[1].sent < c.published {
			c.bring(1)
		}
		c.check()
		if slices.Contains(c.merged, 0) {
			t.Fatalf("a gap: %v", c.merged)
		}
		if n := uint64(len(c.merged)); n != c.published {
			t.Fatalf("%d messages of %d: %v", n, c.published, c.merged)
		}
	})
}

// TestArbiterOfDifferentCopies has an exchange that tells each connection in its own portions: one of them leads, and nothing is
// delivered of both.
func TestArbiterOfDifferentCopies(t *testing.T) {
	t.Parallel()
	var merged []uint64
	a := arbiter{room: &room{1 << 20}, deliver: func(leg int, _ []byte) { merged = append(merged, uint64(leg)) }}
	a.join(0)
	a.join(1)
	a.vouch(1)
	for n := uint64(1); n < 5_000; n++ {
		a.message(0, portion{2 * n, -1, nil})
		a.message(1, portion{2*n + 1, -1, nil})
	}
	const until = 6 // one may be fooled for a few
	leads := int(merged[until])
	other := 1 - leads
	if slices.Contains(merged[until:], uint64(other)) || len(merged) < 4_999 {
		t.Errorf("%d messages, want those of one copy alone", len(merged))
	}
	if !a.lose(leads) {
		t.Error("the leading copy is lost, and nobody is told")
	}
	before := len(merged)
	a.next()
	a.message(other, portion{1, -1, nil})
	if len(merged) == before {
		t.Error("the other copy does not go on")
	}
}

// TestArbiterOfACopyFarBehind, as one whose connection has stalled for a while: what it brings late is delivered already, beyond what is
// remembered too. Once it has caught up it takes over without a gap.
func TestArbiterOfACopyFarBehind(t *testing.T) {
	t.Parallel()
	for _, behind := range []uint64{maxOwed, maxOwed + 1, 3 * maxOwed} {
		var merged []uint64
		a := arbiter{room: &room{1 << 20}, deliver: func(_ int, data []byte) { merged = append(merged, number64(data)) }}
		bring := func(at int, n uint64) { a.message(at, portion{n * 0x9e3779b97f4a7c15, -1, bytes64(n)}) }
		n, late := uint64(0), uint64(0)
		for range 10 {
			n, late = n+1, late+1
			bring(0, n)
			bring(1, n)
		}
		for range behind {
			n++
			bring(0, n)
		}
		for late < n {
			late++
			bring(1, late)
			if late%4 == 0 { // it is quicker now, and the other goes on
				n++
				bring(0, n)
			}
		}
		if a.lose(0) {
			t.Errorf("%d behind: a gap, and it had caught up", behind)
		}
		a.next()
		bring(1, n+1)
		for i, got := range merged {
			if got != uint64(i+1) {
				t.Fatalf("%d behind: %d is followed by %d", behind, i, got)
			}
		}
		if len(merged) != int(n+1) {
			t.Errorf("%d behind: %d messages of %d", behind, len(merged), n+1)
		}
	}
}

// TestArbiterLosesAllButACopyFarBehind has a channel quiet while a copy joins and is vouched for, and then the other bring what it does not:
// up to what is remembered it goes on without a gap, and beyond that what it brings late may have been delivered, which is told.
func TestArbiterLosesAllButACopyFarBehind(t *testing.T) {
	t.Parallel()
	for _, behind := range []uint64{maxOwed, maxOwed + 1, 3 * maxOwed} {
		a := arbiter{room: &room{1 << 20}, deliver: func(int, []byte) {}}
		a.join(0)
		a.join(1)
		a.vouch(1)
		for n := range behind {
			a.message(0, portion{n * 0x9e3779b97f4a7c15, -1, bytes64(n)})
		}
		if gap := a.lose(0); gap != (behind > maxOwed) {
			t.Errorf("%d behind: gap %t", behind, gap)
		}
	}
}

// TestArbiterOfACopyThatJoinsAlone loses the copy that led before the other one has brought anything: what that brings late has been
// delivered, up to what the first had not brought.
func TestArbiterOfACopyThatJoinsAlone(t *testing.T) {
	t.Parallel()
	var merged []uint64
	a := arbiter{room: &room{1 << 20}, deliver: func(_ int, data []byte) { merged = append(merged, number64(data)) }}
	bring := func(at int, n uint64) { a.message(at, portion{n * 0x9e3779b97f4a7c15, -1, bytes64(n)}) }
	for n := range uint64(3) {
		bring(0, n)
	}
	if !a.lose(0) {
		t.Error("no gap, and the other copy had brought nothing")
	}
	a.next()
	for n := range uint64(5) {
		bring(1, n)
	}
	if want := []uint64{0, 1, 2, 3, 4}; !slices.Equal(merged, want) {
		t.Errorf("delivered %v, want %v", merged, want)
	}
}
