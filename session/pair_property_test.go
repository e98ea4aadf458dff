package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

// publisher is a scripted exchange of one channel: 1, 2, 3, ... reach each connection that is subscribed, when the test lets them.
type publisher struct {
	far       *far
	name      string
	how       habit
	published int
	links     map[*peer]*delayed
}

// delayed is what is under way to a connection.
type delayed struct {
	peer    *peer
	waiting []sent
	gone    int // frames that it was sent
}

// sent is a change, or another one as it is sent.
type sent struct {
	id, previous int
	other        string
}

func newPublisher(t *testing.T, name string, how habit) *publisher {
	t.Helper()
	x := &publisher{name: name, how: how, links: map[*peer]*delayed{}}
	x.far = newFar(t, script{
		"public/subscribe": func(p *peer, r request) {
			p.answer(r, channelsOf(r))
			x.far.mu.Lock()
			defer x.far.mu.Unlock()
			x.links[p] = &delayed{peer: p}
			x.begin(x.links[p])
		},
		"public/unsubscribe": func(p *peer, r request) {
			x.far.mu.Lock()
			delete(x.links, p)
			x.far.mu.Unlock()
			p.answer(r, channelsOf(r))
		},
		"public/test": func(p *peer, r request) { // behind what is under way, unless it is hasty
			x.far.mu.Lock()
			defer x.far.mu.Unlock()
			answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"ok"}`, r.ID)
			switch l := x.links[p]; {
			case l == nil || len(l.waiting) == 0:
				p.send(answer)
			case how == hasty:
				p.send(answer)
				x.follow(l, len(l.waiting))
			default:
				l.waiting = append(l.waiting, sent{other: answer})
			}
		},
	})
	return x
}

func (x *publisher) isBook() bool { return session.IsBookWithChain(x.name) }

// begin sends what a subscription begins with.
func (x *publisher) begin(l *delayed) {
	kind := "how things stand"
	if x.isBook() {
		kind = "snapshot"
	}
	l.waiting = append(l.waiting, sent{other: x.notification(fmt.Sprintf(`{"type":%q,"change_id":%d}`, kind, x.published+1))})
}

func (x *publisher) notification(data string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":%q,"data":%s}}`, x.name, data)
}

func (x *publisher) publish() {
	x.far.mu.Lock()
	defer x.far.mu.Unlock()
	x.published++
	for _, l := range x.links {
		l.waiting = append(l.waiting, sent{id: x.published + 1, previous: x.published})
	}
}

// live are the connections that are subscribed, in the order of their numbers.
func (x *publisher) live() []*delayed {
	x.far.mu.Lock()
	defer x.far.mu.Unlock()
	var live []*delayed
	for _, l := range x.links {
		live = append(live, l)
	}
	slices.SortFunc(live, func(a, b *delayed) int { return a.peer.number - b.peer.number })
	return live
}

// bring lets so many frames through, and returns how many there were.
func (x *publisher) bring(l *delayed, frames int) int {
	x.far.mu.Lock()
	defer x.far.mu.Unlock()
	n := min(frames, len(l.waiting))
	for i, f := range l.waiting[:n] {
		switch {
		case f.other != "":
			l.peer.send(f.other)
		case x.how == merging && i+1 < n && l.waiting[i+1].other == "":
			l.waiting[i+1].previous = f.previous
		default:
			l.peer.send(x.notification(fmt.Sprintf(`{"type":"change","change_id":%d,"prev_change_id":%d}`, f.id, f.previous)))
		}
	}
	l.waiting = l.waiting[n:]
	l.gone += n
	return n
}

// follow lets through what an answer has overtaken, a fifth of a second later.
func (x *publisher) follow(l *delayed, frames int) {
	upTo := l.gone + frames
	time.AfterFunc(time.Second/5, func() {
		x.far.mu.Lock()
		late, isLive := upTo-l.gone, x.links[l.peer] == l
		x.far.mu.Unlock()
		if isLive {
			x.bring(l, max(late, 0))
		}
	})
}

// settle lets all through, and what that brings about.
func (x *publisher) settle() {
	for again := true; again; synctest.Wait() {
		again = false
		for _, l := range x.live() {
			if x.bring(l, math.MaxInt) > 0 {
				again = true
			}
		}
	}
}

// cut loses a connection, with what is under way.
func (x *publisher) cut(l *delayed) {
	x.far.mu.Lock()
	delete(x.links, l.peer)
	x.far.mu.Unlock()
	l.peer.close()
	synctest.Wait()
}

// habit is how the exchange of a test behaves, within what its documents allow.
type habit string

const (
	plain   habit = ""
	merging habit = "merges changes" // of a book, for each connection differently
	hasty   habit = "answers first"  // before what is under way, which follows a fifth of a second later
)

// follower holds a stream against what was published.
type follower struct {
	isBook   bool
	last     int
	isGap    bool
	gaps     int
	messages int
	wrong    error
}

func (f *follower) see(n session.Notification, err error) {
	if err != nil {
		if _, isGap := errors.AsType[*session.GapError](err); !isGap {
			f.wrong = errors.Join(f.wrong, err)
			return
		}
		f.isGap = true // two losses may follow each other
		f.gaps++
		return
	}
	var m struct {
		Type string `json:"type"`
		ID   int    `json:"change_id"`

		Previous int `json:"prev_change_id"`
	}
	if err := json.Unmarshal(n.Data, &m); err != nil {
		f.wrong = errors.Join(f.wrong, err)
		return
	}
	f.messages++
	if m.Type != "change" { // how things stand
		if f.last != 0 && !f.isGap {
			f.wrong = errors.Join(f.wrong, fmt.Errorf("%s %d after %d", m.Type, m.ID, f.last))
		}
		if f.isBook { // it begins anew
			f.last = m.ID
		}
		f.last, f.isGap = max(m.ID, f.last), false
		return
	}
	switch {
	case f.last == 0, m.Previous == f.last:
	case f.isGap && m.ID > f.last && !f.isBook:
	default:
		f.wrong = errors.Join(f.wrong, fmt.Errorf("%d to %d follows %d, gap %v", m.Previous, m.ID, f.last, f.isGap))
	}
	f.last, f.isGap = m.ID, false
}

// pairOf opens a redundant pair that follows a publisher.
func pairOf(t *testing.T, x *publisher) (*session.Group, *follower) {
	t.Helper()
	cfg := grouped(x.far, 2, 2)
	cfg.Heartbeat = -1
	cfg.CallTimeout = time.Hour
	cfg.NewBackoff = func() session.Backoffer { return constantly(time.Second) }
	g, err := session.DialGroup(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{isBook: x.isBook()}
	_, err = g.Subscribe(t.Context(), session.SubscribeConfig{
		Handler: func(n session.Notification) { f.see(n, nil) }, OnGap: func(err error) { f.see(session.Notification{}, err) },
	}, x.name)
	if err != nil {
		t.Fatal(err)
	}
	x.settle()
	return g, f
}

// move is something that happens to a pair.
type move struct {
	kind  string
	which int // of the connections
	n     int // messages
}

func drawMoves(t *rapid.T) []move {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
		return move{
			kind:  rapid.SampledFrom([]string{"publish", "publish", "bring", "bring", "bring", "settle", "cut", "wait", "moment", "moment"}).Draw(t, "kind"),
			which: rapid.IntRange(0, 1).Draw(t, "which"),
			n:     rapid.IntRange(1, 5).Draw(t, "n"),
		}
	}), 1, 80).Draw(t, "moves")
}

// mix has the connections of a pair delayed and cut.
func mix(t *testing.T, name string, how habit, moves []move) (wrong error) {
	t.Helper()
	x := newPublisher(t, name, how)
	g, f := pairOf(t, x)
	defer func() { wrong = errors.Join(wrong, g.Close(t.Context())) }()
	var settled []*delayed // both connections had caught up, and have not been cut since
	isShown := false       // a message has come over both since
	settle := func(messages int) {
		for range 20 { // a leg that has begun is not trusted at once
			x.settle()
			<-time.After(170 * time.Millisecond)
		}
		for range messages {
			x.publish()
			x.settle()
		}
		isShown = messages > 0
		if settled = x.live(); len(settled) < 2 {
			settled = nil
		}
	}
	wait := func() { <-time.After(3200 * time.Millisecond) } // a connection is back after one second
	settle(0)
	gaps, isCut := 0, false // when something was cut last
	for _, m := range moves {
		live := x.live()
		switch {
		case m.kind == "publish":
			for range m.n {
				x.publish()
			}
		case m.kind == "settle":
			settle(m.n / 2)
		case m.kind == "wait":
			wait()
		case m.kind == "moment":
			<-time.After(time.Duration(m.n) * 230 * time.Millisecond)
		case m.which >= len(live):
		case m.kind == "bring":
			x.bring(live[m.which], m.n)
			if how == merging || !isShown { // what one brings first is not shown to follow yet
				settled = nil
			}
		case m.kind == "cut":
			gaps = f.gaps
			x.cut(live[m.which])
			for _, other := range settled {
				if other != live[m.which] && slices.Contains(settled, live[m.which]) && f.gaps > gaps {
					return errors.New("a gap, and the other connection had caught up")
				}
			}
			gaps, isCut = f.gaps, true
			settled = slices.DeleteFunc(settled, func(l *delayed) bool { return l == live[m.which] })
		}
		if synctest.Wait(); f.wrong != nil {
			return f.wrong
		}
		if f.gaps > gaps && (how != merging || !isCut) { // what was cut may have been told less of a book than the other
			return errors.New("a gap, and no connection was cut")
		}
	}
	wait()
	settle(0)
	settle(1)
	if f.last != x.published+1 {
		return fmt.Errorf("the stream ends with %d, published was %d", f.last, x.published+1)
	}
	return f.wrong
}

// TestPairProperty cuts and delays the connections of a pair at random: what the consumer is given is held against what was
// published.
func TestPairProperty(t *testing.T) {
	t.Parallel()
	const book, trades = "book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms"
	for _, c := range []struct {
		name string
		how  habit
	}{{book, plain}, {book, merging}, {book, hasty}, {trades, plain}, {trades, hasty}} {
		t.Run(strings.TrimSpace(fmt.Sprint(c.name, " ", c.how)), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				moves := drawMoves(rt)
				var wrong error
				synctest.Test(t, func(t *testing.T) { wrong = mix(t, c.name, c.how, moves) })
				if wrong != nil {
					rt.Fatal(wrong)
				}
			})
		})
	}
}
