package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// portioned is an exchange whose one book changes by five at a time, and which tells each connection of two such changes at once: those
// of even numbers of the first and second, the others of the second and third.
type portioned struct {
	far *far

	mu   sync.Mutex // protects the fields below
	id   int
	told map[*peer]int // up to which change those who are subscribed were told
}

func newPortioned(t *testing.T) *portioned {
	t.Helper()
	x := &portioned{id: 100, told: map[*peer]int{}}
	x.far = newFar(t, script{
		"public/subscribe": func(p *peer, r request) {
			x.mu.Lock()
			defer x.mu.Unlock()
			p.answer(r, channelsOf(r))
			x.told[p] = x.id
			p.notify(bookA, fmt.Sprintf(`{"change_id":%d}`, x.id))
		},
		"public/unsubscribe": func(p *peer, r request) {
			x.mu.Lock()
			defer x.mu.Unlock()
			delete(x.told, p)
			p.answer(r, channelsOf(r))
		},
	})
	return x
}

func (x *portioned) change(times int) {
	for range times {
		x.mu.Lock()
		x.id += 5
		for p, last := range x.told {
			if x.id/5%2 == p.number%2 {
				continue
			}
			p.notify(bookA, fmt.Sprintf(`{"change_id":%d,"prev_change_id":%d}`, x.id, last))
			x.told[p] = x.id
		}
		x.mu.Unlock()
		<-time.After(100 * time.Millisecond)
	}
	synctest.Wait()
}

// bookReader reads a book, and holds it against its chain.
type bookReader struct {
	t        *testing.T
	last     int
	messages int
	gaps     int
	isLost   bool // a snapshot must come next
}

func (r *bookReader) take(n session.Notification) {
	var m struct {
		ID       int  `json:"change_id"`
		Previous *int `json:"prev_change_id"`
	}
	if err := json.Unmarshal(n.Data, &m); err != nil {
		r.t.Error(err)
	}
	switch {
	case m.Previous == nil && !r.isLost && r.last != 0:
		r.t.Errorf("a snapshot of %d after %d", m.ID, r.last)
	case m.Previous != nil && (r.isLost || *m.Previous != r.last):
		r.t.Errorf("%d to %d after %d, lost %t", *m.Previous, m.ID, r.last, r.isLost)
	}
	r.last, r.isLost = m.ID, false
	r.messages++
}

func (r *bookReader) gap(err error) {
	if _, isGap := errors.AsType[*session.GapError](err); isGap {
		r.gaps++
		r.isLost = true
	}
}

// TestPairOfDifferentPortions has an exchange that tells the same book to two connections in different portions, as it may under load:
// one of them leads, and there is no gap until it is lost, or the channel is dead there. Then there is one, and the other goes on with a
// snapshot.
func TestPairOfDifferentPortions(t *testing.T) {
	t.Parallel()
	stayOpen := func(*peer) {}
	for name, c := range map[string]struct {
		lost int
		end  func(*peer)
		want int
	}{ // the second is the first to bring a change
		"connection 1 is lost": {1, (*peer).close, 0},
		"connection 2 is lost": {2, (*peer).close, 1},
		"connection 1 is mute": {1, stayOpen, 0},
		"connection 2 is mute": {2, stayOpen, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := newPortioned(t)
				g := newPair(t, x.far)
				r := &bookReader{t: t}
				subscribePair(t, g, session.SubscribeConfig{Handler: r.take, OnGap: r.gap}, bookA)
				x.change(200)
				if r.gaps != 0 || r.messages < 100 {
					t.Errorf("%d gaps, %d messages", r.gaps, r.messages)
				}
				r.messages = 0
				x.mu.Lock()
				lost := x.far.all()[c.lost-1]
				delete(x.told, lost)
				x.mu.Unlock()
				c.end(lost)
				x.change(200)
				if r.gaps != c.want || r.messages < 90 {
					t.Errorf("after the loss %d gaps, %d messages, want %d gaps", r.gaps, r.messages, c.want)
				}
			})
		})
	}
}
