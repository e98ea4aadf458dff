package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

var r3Channels = []string{"book.BTC-PERPETUAL.raw", "ticker.BTC-PERPETUAL.100ms", "user.orders.any.any.raw"}

// traffic has the market move and orders be placed, every 10 ms, until the test calls stop.
func (r *rig) traffic(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			<-time.After(10 * time.Millisecond)
			r.server.Tick()
			if err := r.cfg.Authority.Call(t.Context(), "private/buy", map[string]any{
				"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 100, "label": fmt.Sprint("traffic-", i),
			}, nil); err != nil {
				t.Errorf("order: %v", err)
			}
			if err := r.cfg.Authority.Call(t.Context(), "private/cancel_all", nil, nil); err != nil {
				t.Errorf("cancel: %v", err)
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		synctest.Wait()
	}
}

// stream is what a subscription was given.
type stream struct {
	gaps     []*session.GapError
	messages uint64
	unmarked int // changes of connection without one gap just before, or gaps without a change
	headless int // books that go on after a change of connection without a snapshot
}

func (s *stream) count(reason session.GapReason) (n int) {
	for _, gap := range s.gaps {
		if gap.Reason == reason {
			n++
		}
	}
	return n
}

func drain(t *testing.T, sub *session.Subscription) stream {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), 1) // of virtual time, which stands still while there is something to take
	defer end()
	var s stream
	var epoch uint64
	marked := 0 // gaps since the last message
	fresh := map[string]bool{}
	for n, err := range sub.Notifications(ctx) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if gap, ok := errors.AsType[*session.GapError](err); ok {
			s.gaps = append(s.gaps, gap)
			marked++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if changed := epoch != 0 && n.Epoch != epoch; changed && marked != 1 || !changed && marked != 0 {
			s.unmarked++
		}
		if n.Epoch != epoch {
			fresh = map[string]bool{}
		}
		if strings.HasPrefix(n.Channel, "book.") && !fresh[n.Channel] && !bytes.Contains(n.Data, []byte(`"snapshot"`)) {
			s.headless++
		}
		fresh[n.Channel] = true
		epoch, marked = n.Epoch, 0
		s.messages++
	}
	return s
}

// TestR3SubscriptionsSurvive rotates while all channels flow. Where the exchange leaves sockets alone, each subscription is given every
// message that the exchange counts, and no gap. Where it closes them, each is told once for each rotation, before the first message of
// the new connection. All channels flow afterwards.
func TestR3SubscriptionsSurvive(t *testing.T) {
	const rotations = 3
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Reset: behaviour, Tick: -1}, 4, nil)
				subs := r.subscribe(t)
				stop := r.traffic(t)
				for range rotations {
					r.rotate(t)
					<-time.After(200 * time.Millisecond)
				}
				stop()
				var given, counted, told uint64
				for i, sub := range subs {
					got := drain(t, sub)
					given += got.messages
					wantGaps := 0
					if behaviour.Connections != deribittest.ConnectionsKept {
						wantGaps = rotations
					}
					if len(got.gaps) != wantGaps || got.unmarked != 0 || got.headless != 0 {
						t.Errorf("s%d: %d gaps, %d places that are wrong, %d books without a snapshot", i, len(got.gaps), got.unmarked, got.headless)
					}
					told += uint64(len(got.gaps))
				}
				for _, channel := range r3Channels {
					counted += r.server.Published(channel)
				}
				if told == 0 && given != counted || given > counted || given < counted/2 {
					t.Errorf("given %d of %d messages, %d gaps", given, counted, told)
				}
				r.flowing(t, subs)
			})
		})
	}
}

func (r *rig) subscribe(t *testing.T) (subs []*session.Subscription) {
	t.Helper()
	for _, s := range r.fleet {
		sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{Buffer: 1 << 16}, r3Channels...)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	return subs
}

// flowing fails the test unless every session is given messages on every channel now.
func (r *rig) flowing(t *testing.T, subs []*session.Subscription) {
	t.Helper()
	before := make([][]session.ChannelStats, len(subs))
	for i, s := range r.fleet {
		before[i] = s.Channels()
	}
	stop := r.traffic(t)
	<-time.After(300 * time.Millisecond)
	stop()
	for i, s := range r.fleet {
		for j, after := range s.Channels() {
			if after.Notifications <= before[i][j].Notifications {
				t.Errorf("%s: %s is silent", s.Name(), after.Channel)
			}
		}
		if got := drain(t, subs[i]); len(got.gaps) != 0 {
			t.Errorf("%s: %d gaps afterwards", s.Name(), len(got.gaps))
		}
	}
}

// TestR3SilentlyDropped: where the exchange ends the channels without a word, at the reset or at the re-authentication, they flow again
// when the rotation is over; a book says what it has missed, and of the others each is marked once.
func TestR3SilentlyDropped(t *testing.T) {
	for name, exchange := range map[string]deribittest.Config{
		"at the reset":               {Reset: deribittest.ResetProfile{TokensRevoked: true, SubscriptionsDropped: true}},
		"at the re-authentication":   {ReauthDropsPrivate: true},
		"and a snapshot comes twice": {SnapshotAgain: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exchange.Tick = -1
				r := newRig(t, exchange, 2, nil)
				subs := r.subscribe(t)
				stop := r.traffic(t)
				<-time.After(100 * time.Millisecond)
				r.rotate(t)
				stop()
				for i, sub := range subs {
					got := drain(t, sub)
					resumed, sequence := got.count(session.GapResumed), got.count(session.GapSequence)
					want := 1
					if exchange.SnapshotAgain {
						want = 0
					}
					if resumed != want || sequence > want || resumed+sequence != len(got.gaps) {
						t.Errorf("s%d: gaps: %v", i, got.gaps)
					}
				}
				r.flowing(t, subs)
			})
		})
	}
}

// TestR3NothingIsAssumed: where nobody has found out what becomes of the channels, those that nothing proves are marked, and the report
// says so, though the exchange has left them alone.
func TestR3NothingIsAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Tick: -1}, 1, func(_ int, cfg *session.Config) { cfg.SubscriptionsSurvive = false })
		subs := r.subscribe(t)
		for rotation := range 3 {
			report := r.rotate(t)
			if got := drain(t, subs[0]); len(got.gaps) != 1 || got.count(session.GapResumed) != 1 {
				t.Errorf("rotation %d: gaps: %v", rotation, got.gaps)
			}
			for _, c := range report.Sessions[0].Channels {
				want := uint64(0)
				if strings.HasPrefix(c.Channel, "user.") {
					want = 1
				}
				if c.Gaps != want {
					t.Errorf("rotation %d: %s: %d gaps", rotation, c.Channel, c.Gaps)
				}
			}
		}
		r.flowing(t, subs)
	})
}
