package session_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// TestDroppedPrivateChannelIsPutBack has the exchange drop the private channels without a word, while the connection keeps its authority
// and a raw channel is busy: within two minutes they are back, and what comes then arrives.
// Asks: go-deribit#21, viem#3771, pod-sdk#261, go-ethereum#23845, core-geth#289.
func TestDroppedPrivateChannelIsPutBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: time.Second})
		s := dial(t, cfg)
		busy := subscribe(t, s, session.SubscribeConfig{Policy: session.DropOldest}, "book.BTC-PERPETUAL.raw")
		sub := subscribe(t, s, session.SubscribeConfig{}, orders)
		server.Inject(deribittest.Fault{Kind: deribittest.LosePrivate})
		if err := s.Call(t.Context(), "private/buy", order("lost"), nil); err != nil {
			t.Fatal(err)
		}
		if got := waiting(t, sub); len(got) != 0 {
			t.Fatalf("the channel was not lost: %q", got)
		}
		time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
		if err := s.Call(t.Context(), "private/buy", order("told"), nil); err != nil {
			t.Fatal(err)
		}
		if got := waiting(t, sub); len(got) == 0 {
			t.Error("no order arrives two minutes after the exchange has dropped the channel")
		}
		if stats := server.Stats(); stats.Faults[deribittest.LosePrivate] != 1 || stats.Authentications != 1 || s.Stats().Epoch != 1 {
			t.Errorf("faults %v, %d authentications, %d connections", stats.Faults, stats.Authentications, s.Stats().Epoch)
		}
		if n := server.Stats().Calls[probeMethod]; n > 3 || len(waiting(t, busy)) == 0 {
			t.Errorf("%d private/subscribe in two minutes", n)
		}
	})
}

// TestQuietChannelsTakeTurns has more of them than a frame holds: one frame in a minute, none again before all others, and somebody who
// subscribes does not wait.
func TestQuietChannelsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 1500
		var mu sync.Mutex // protects asked
		var asked [][]string
		f := newFar(t, script{probeMethod: func(p *peer, r request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, channelsOf(r))
			p.comply(r)
		}})
		s := dial(t, unbeaten(f))
		names := make([]string, many)
		for i := range names {
			names[i] = fmt.Sprintf("user.orders.%04d.raw", i)
		}
		subscribe(t, s, session.SubscribeConfig{}, names...)
		mu.Lock()
		asked = nil
		mu.Unlock()
		for range 3 {
			time.Sleep(time.Minute) //nolint:forbidigo // virtual time
			synctest.Wait()
			start := time.Now()
			subscribe(t, s, session.SubscribeConfig{}, "ticker.A").Close(t.Context())
			if took := time.Since(start); took > 0 {
				t.Errorf("somebody who subscribes waits %v", took)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if got := slices.Sorted(slices.Values(slices.Concat(asked...))); len(asked) != 3 || !slices.Equal(got, names) {
			t.Errorf("%d frames with %d channels in three minutes, want three with each of %d", len(asked), len(got), many)
		}
	})
}

// TestQuietChannelThatIsRefusedEnds has the exchange take one channel away, and refuse the frame when it is asked: the subscription ends
// with the reason, and the others go on. An answer that leaves a channel out may mean no more than that it lives already.
func TestQuietChannelThatIsRefusedEnds(t *testing.T) {
	t.Parallel()
	for name, forbids := range map[string]bool{"left out": false, "frame refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var taken atomic.Bool
				isTaken := func(name string) bool { return taken.Load() && name == "user.lock" }
				f := newFar(t, script{probeMethod: func(p *peer, r request) {
					if forbids && slices.ContainsFunc(channelsOf(r), isTaken) {
						p.refuse(r, int(session.CodeForbidden), "forbidden")
						return
					}
					p.answer(r, slices.DeleteFunc(channelsOf(r), isTaken))
				}})
				s := dial(t, unbeaten(f))
				kept, lost := subscribe(t, s, session.SubscribeConfig{}, orders), subscribe(t, s, session.SubscribeConfig{}, "user.lock")
				taken.Store(true)
				time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
				if refusal, ok := errors.AsType[*session.SubscribeError](lost.Err()); ok != forbids || ok && refusal.Err == nil {
					t.Errorf("ended with %v, want a SubscribeError with the reason: %v", lost.Err(), forbids)
				}
				if !forbids {
					f.last().notify("user.lock", "1")
					if n, err := receive(t, lost); err != nil || string(n.Data) != "1" {
						t.Errorf("what was left out was given %q, %v", n.Data, err)
					}
				}
				f.last().notify(orders, "1")
				if n, err := receive(t, kept); err != nil || string(n.Data) != "1" {
					t.Errorf("the other was given %q, %v", n.Data, err)
				}
			})
		})
	}
}

// TestQuietBookIsNotBroken asks again for a raw book that stands still, at an exchange that sends a second snapshot for that and at one
// that does not: nothing is marked, and nobody has the book begin anew.
func TestQuietBookIsNotBroken(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"a second snapshot": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, SnapshotAgain: again})
				s := dial(t, cfg)
				sub := subscribe(t, s, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw")
				time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
				got, snapshots := waiting(t, sub), 1
				if again {
					snapshots = 2
				}
				if len(got) != snapshots || slices.Contains(got, "gap") || server.Stats().Calls[probeMethod] != 1 {
					t.Errorf("%d entries, want %d snapshots: %.300q", len(got), snapshots, got)
				}
				if ch := s.Channels()[0]; ch.Gaps != 0 || server.Stats().Calls["public/unsubscribe"] != 0 {
					t.Errorf("the book is taken for broken: %+v", ch)
				}
			})
		})
	}
}

// TestReauthenticateThatDropsChannels is an authentication that somebody asked for and did not verify, at an exchange that drops the
// private channels for it: they are put back behind a marker.
func TestReauthenticateThatDropsChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, ReauthDropsPrivate: true})
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, orders)
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
		if err := s.Call(t.Context(), "private/buy", order("told"), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := receive(t, sub); !isGap(err, session.GapResumed) {
			t.Errorf("the first entry is %v, want GapResumed", err)
		}
		if n, err := receive(t, sub); err != nil {
			t.Errorf("after the marker comes %q, %v", n.Data, err)
		}
	})
}

func isGap(err error, reason session.GapReason) bool {
	gap, ok := errors.AsType[*session.GapError](err)
	return ok && gap.Reason == reason
}
