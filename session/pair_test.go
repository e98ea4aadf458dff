package session_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// numbered judges streams by what the exchange numbers: a book's changes, and trades.
type numbered struct {
	t    *testing.T
	last map[string]int64
	seen int
}

func (s *numbered) take(n session.Notification) {
	var previous, id int64
	if strings.HasPrefix(n.Channel, "book.") {
		var book struct {
			Previous int64 `json:"prev_change_id"`
			ID       int64 `json:"change_id"`
		}
		if err := json.Unmarshal(n.Data, &book); err != nil {
			s.t.Error(err)
		}
		previous, id = book.Previous, book.ID
	} else {
		var trades []struct {
			Sequence int64 `json:"trade_seq"`
		}
		if err := json.Unmarshal(n.Data, &trades); err != nil || len(trades) == 0 {
			s.t.Errorf("%s, %v", n.Data, err)
			return
		}
		previous, id = trades[0].Sequence-1, trades[len(trades)-1].Sequence
	}
	if last, ok := s.last[n.Channel]; ok && last != previous {
		s.t.Errorf("%s: %d follows %d", n.Channel, previous, last)
	}
	s.last[n.Channel] = id
	s.seen++
}

// TestPairOverTheDouble breaks or stalls one of two connections, at random which, again and again: nothing is lost, nothing comes twice, and
// no gap is told.
func TestPairOverTheDouble(t *testing.T) {
	t.Parallel()
	for _, kind := range []deribittest.FaultKind{deribittest.Cut, deribittest.Stall} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, cfg := newMemoryServer(t, deribittest.Config{Tick: 50 * time.Millisecond})
				group, err := session.DialGroup(t.Context(), session.GroupConfig{Config: cfg, Copies: 2})
				if err != nil {
					t.Fatal(err)
				}
				judge := &numbered{t: t, last: map[string]int64{}}
				sub, err := group.Subscribe(t.Context(), session.SubscribeConfig{
					Handler: judge.take,
					OnGap:   func(err error) { t.Error(err) },
				}, "book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.100ms", "trades.BTC-PERPETUAL.raw")
				if err != nil {
					t.Fatal(err)
				}
				pick := rand.New(rand.NewPCG(1, 2)) // so that a failure comes again
				faults, hits := 300, [2]int{}
				if kind == deribittest.Stall {
					faults = 20 // which silence ends, after 75 s
				}
				one, two := uint64(1), uint64(2)
				connections := [2]*uint64{&one, &two} // the numbers of those that are open
				for range faults {
					time.Sleep(time.Second) //nolint:forbidigo // virtual time
					at := pick.IntN(2)
					hits[at]++
					server.Inject(deribittest.Fault{Kind: kind, Conn: *connections[at]})
					replaced(t, group, func() bool { return server.Stats().Connections > max(one, two) })
					*connections[at] = server.Stats().Connections
				}
				if err := sub.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if err := group.Close(t.Context()); err != nil {
					t.Error(err)
				}
				fired := server.Stats().Faults[kind]
				if fired != uint64(faults) || min(hits[0], hits[1]) < faults/4 || judge.seen < 10_000 {
					t.Errorf("%d faults of %d, %v of each session, %d messages", fired, faults, hits, judge.seen)
				}
			})
		})
	}
}

// replaced waits until the connection that a fault befell has been replaced, and both sessions of the pair are ready.
func replaced(t *testing.T, group *session.Group, isNew func() bool) {
	t.Helper()
	legs := group.Sessions()
	for range 1000 {
		if isNew() && legs[0].Ready() && legs[1].Ready() {
			return
		}
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // virtual time
	}
	t.Fatal("a connection was not replaced")
}

// TestPairTellsOfALossOfBoth breaks both connections at once: one gap for each channel, and books begin anew.
func TestPairTellsOfALossOfBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: 50 * time.Millisecond})
		group, err := session.DialGroup(t.Context(), session.GroupConfig{Config: cfg, Copies: 2})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := group.Subscribe(t.Context(), session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "trades.BTC-PERPETUAL.raw")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		server.CutConnections()
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		gaps, isNew := map[string]int{}, map[string]bool{}
		judge := &numbered{t: t, last: map[string]int64{}}
		if err := group.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for n, err := range sub.Notifications(t.Context()) {
			gap, isGap := errors.AsType[*session.GapError](err)
			switch {
			case isGap:
				gaps[gap.Channel]++
				delete(judge.last, gap.Channel)
				isNew[gap.Channel] = true
			case err != nil:
				if !errors.Is(err, session.ErrClosed) {
					t.Error(err)
				}
			default:
				if isNew[n.Channel] && strings.HasPrefix(n.Channel, "book.") && !strings.Contains(string(n.Data), `"snapshot"`) {
					t.Errorf("after the gap comes %.80s", n.Data)
				}
				isNew[n.Channel] = false
				judge.take(n)
			}
		}
		if len(gaps) != 2 || gaps["book.BTC-PERPETUAL.raw"] != 1 || gaps["trades.BTC-PERPETUAL.raw"] != 1 {
			t.Errorf("gaps %v, want one of each channel", gaps)
		}
	})
}
