package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// What a session promises of its subscriptions, a redundant pair promises too.

// newPair opens a pair whose connections f plays.
func newPair(t *testing.T, f *far) *session.Group {
	t.Helper()
	cfg := grouped(f, 2, 2)
	cfg.Heartbeat = -1 // nobody tests
	return dialGroup(t, cfg)
}

func subscribePair(t *testing.T, g *session.Group, cfg session.SubscribeConfig, channels ...string) *session.Subscription {
	t.Helper()
	sub, err := g.Subscribe(t.Context(), cfg, channels...)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	synctest.Wait()
	return sub
}

// TestPairsSubscriptionClosedWithAContextThatHasEnded: both sessions take the channel back.
func TestPairsSubscriptionClosedWithAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{})
		g := newPair(t, f)
		sub := subscribePair(t, g, session.SubscribeConfig{}, "ticker.A")
		ended, end := context.WithCancel(t.Context())
		end()
		if err := sub.Close(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want ctx's error", err)
		}
		synctest.Wait()
		if n := f.count("public/unsubscribe"); n != 2 || len(g.Channels()) != 0 {
			t.Errorf("%d unsubscribes, want 2; %d channels", n, len(g.Channels()))
		}
	})
}

// TestPairsSecondSubscriberOfABookHasASnapshot, and nothing of the book before it. The first is told where it missed something.
func TestPairsSecondSubscriberOfABookHasASnapshot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f := newBookExchange(t)
		g := newPair(t, f)
		first := subscribePair(t, g, session.SubscribeConfig{}, bookA)
		exchange.change(f, bookA)
		synctest.Wait()

		second := subscribePair(t, g, session.SubscribeConfig{}, bookA)
		exchange.change(f, bookA)
		exchange.change(f, bookA)
		wantTold(t, "the second", second, "=101 102 103")
		wantTold(t, "the first", first, "=100 101 =101 102 103")
	})
}

// TestResyncOfAPair is a subscriber that has lost its book by its own doing.
func TestResyncOfAPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f := newBookExchange(t)
		g := newPair(t, f)
		slow := subscribePair(t, g, session.SubscribeConfig{Buffer: 2}, bookA)
		other := subscribePair(t, g, session.SubscribeConfig{}, bookB)
		for range 5 {
			exchange.change(f, bookA)
		}
		wantTold(t, "the slow one", slow, "overflow/4 104 105")
		if err := slow.Resync(bookA); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		exchange.change(f, bookA)
		wantTold(t, "the slow one", slow, "=105 106")
		for sub, name := range map[*session.Subscription]string{slow: bookB, other: bookA} {
			if err := sub.Resync(name); !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), name) {
				t.Errorf("Resync of %s: %v", name, err)
			}
		}
		exchange.change(f, bookB)
		wantTold(t, "the other book", other, "=100 101")
	})
}

// TestStalledSubscriberOfAGroupDelaysNobody is promise I5 under each policy: one consumer has stopped, and another one, a handler and a
// call have all that comes, at once.
func TestStalledSubscriberOfAGroupDelaysNobody(t *testing.T) {
	t.Parallel()
	const n = 3000
	for policy, want := range map[session.Policy]string{
		session.DropOldest: "overflow/2998 2998 2999", session.Fail: "0 1 overflow/1", session.Conflate: "2999",
	} {
		for _, copies := range []int{1, 2} {
			t.Run(fmt.Sprint(policy, " over ", copies), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFar(t, nil)
					cfg := grouped(f, 2, copies)
					cfg.Heartbeat = -1
					g := dialGroup(t, cfg)
					stalled := subscribePair(t, g, small(policy), "ticker.A")
					other := subscribePair(t, g, session.SubscribeConfig{Buffer: n}, "ticker.A")
					var handled []string
					subscribePair(t, g, session.SubscribeConfig{
						Handler: func(n session.Notification) { handled = append(handled, string(n.Data)) },
						OnGap:   wantOnlyTheEnd(t),
					}, "ticker.A")
					start := time.Now()
					for i := range n {
						for _, p := range f.all() {
							p.notify("ticker.A", strconv.Itoa(i))
						}
					}
					for range 10 {
						if err := g.Call(t.Context(), "public/test", nil, nil); err != nil {
							t.Error(err)
						}
					}
					synctest.Wait()
					if took := time.Since(start); took != 0 {
						t.Errorf("it took %v", took)
					}
					for who, got := range map[string][]string{"stream": waiting(t, other), "handler": handled} {
						if len(got) != n || got[n-1] != strconv.Itoa(n-1) || !slices.IsSortedFunc(got, byNumber) {
							t.Errorf("the %s has %d of %d notifications", who, len(got), n)
						}
					}
					wantEntries(t, waiting(t, stalled), want)
				})
			})
		}
	}
}

// wantOnlyTheEnd is an OnGap that fails the test at a gap.
func wantOnlyTheEnd(t *testing.T) func(error) {
	t.Helper()
	return func(err error) {
		if !errors.Is(err, session.ErrClosed) {
			t.Errorf("OnGap: %v", err)
		}
	}
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// TestGroupCloseIsNoGap: whichever session ends first, a stream ends with ErrClosed, and nothing is told after that.
func TestGroupCloseIsNoGap(t *testing.T) {
	t.Parallel()
	for _, copies := range []int{1, 2} {
		t.Run(fmt.Sprint("over ", copies), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, watch := newFar(t, nil), &recorder{}
				cfg := grouped(f, 2, copies)
				cfg.Observer = watch
				g := dialGroup(t, cfg)
				var told []string
				subscribePair(t, g, session.SubscribeConfig{
					Handler: func(n session.Notification) { told = append(told, string(n.Data)) },
					OnGap:   func(err error) { told = append(told, describe(session.Notification{}, err)) },
				}, "ticker.A")
				newest := subscribePair(t, g, session.SubscribeConfig{Policy: session.Conflate}, "ticker.A")
				for _, p := range f.all() {
					p.notify("ticker.A", "1")
				}
				synctest.Wait()
				if err := g.Close(t.Context()); err != nil {
					t.Error(err)
				}
				want := "1 " + session.ErrClosed.Error()
				wantEntries(t, told, want)
				wantEntries(t, waiting(t, newest), want)
				if len(watch.gaps) != 0 {
					t.Errorf("the observer was told of %v", watch.gaps)
				}
			})
		})
	}
}

// TestPairUnsubscribes when the last subscriber leaves a channel, over both connections, and not before.
func TestPairUnsubscribes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := make(chan string, 4) // what is taken back, and over which connection
		f := newFar(t, script{"public/unsubscribe": func(p *peer, r request) {
			back <- fmt.Sprint(p.number, channelsOf(r))
			p.comply(r)
		}})
		g := newPair(t, f)
		first := subscribePair(t, g, session.SubscribeConfig{}, "ticker.A", "ticker.B")
		second := subscribePair(t, g, session.SubscribeConfig{}, "ticker.A")
		for _, leaves := range []struct {
			sub  *session.Subscription
			gone string
		}{{first, "[ticker.B]"}, {second, "[ticker.A]"}} {
			if err := leaves.sub.Close(t.Context()); err != nil {
				t.Error(err)
			}
			var got []string
			for len(back) > 0 {
				got = append(got, <-back)
			}
			slices.Sort(got)
			wantEntries(t, got, "1 "+leaves.gone+" 2 "+leaves.gone)
		}
		for _, p := range f.all() {
			p.notify("ticker.A", "1")
		}
		synctest.Wait()
		if left := g.Channels(); len(left) != 0 {
			t.Errorf("%v", left)
		}
		for _, s := range g.Sessions() {
			if stats := s.Stats(); stats.Channels != 0 || stats.Unrouted != 1 {
				t.Errorf("%s: %d channels, %d notifications for nobody", s.Name(), stats.Channels, stats.Unrouted)
			}
		}
	})
}
