package session_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// served is what an exchange has subscribed on each connection.
type served struct {
	mu  sync.Mutex // protects on
	on  map[*peer]map[string]bool
	lag func() time.Duration
}

func (s *served) script() script {
	change := func(want bool) func(*peer, request) {
		return func(p *peer, r request) {
			select {
			case <-time.After(s.lag()):
			case <-p.closed:
				return
			}
			s.mu.Lock()
			if s.on[p] == nil {
				s.on[p] = map[string]bool{}
			}
			for _, c := range channelsOf(r) {
				if s.on[p][c] = want; !want {
					delete(s.on[p], c)
				}
			}
			s.mu.Unlock()
			p.comply(r)
		}
	}
	return script{
		"public/subscribe": change(true), "private/subscribe": change(true),
		"public/unsubscribe": change(false), "private/unsubscribe": change(false),
	}
}

func (s *served) by(p *peer) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.on[p] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestSubscriptionsChurn subscribes, closes, cuts and reconnects at random: in the end the exchange serves what is wanted, and
// nothing else.
// Asks: deribit-v2-ws#19.
func TestSubscriptionsChurn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(churns) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { churn(t, seed) })
		})
	}
}

const churns = 40

func churn(t *testing.T, seed uint64) {
	t.Helper()
	var lock sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1))
	upTo := func(n int) int {
		lock.Lock()
		defer lock.Unlock()
		return random.IntN(n)
	}
	server := &served{on: map[*peer]map[string]bool{}, lag: func() time.Duration { return time.Duration(upTo(200)) * time.Millisecond }}
	f := newFar(t, server.script())
	cfg := scripted(f)
	cfg.Heartbeat = -1 // nobody tests, and silence must not hide what is left behind
	s := dial(t, cfg)
	var names []string // many, so that what is left behind is not tidied up by who has the channel next
	for i := range 20 {
		n := strconv.Itoa(i)
		names = append(names, "ticker."+n+".100ms", "user.orders."+n+".raw", "book."+n+".100ms")
	}
	var kept []*session.Subscription
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 15 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+upTo(3000))*time.Millisecond)
				sub, err := s.Subscribe(ctx, session.SubscribeConfig{}, names[upTo(len(names))], names[upTo(len(names))])
				cancel()
				time.Sleep(time.Duration(upTo(1000)) * time.Millisecond) //nolint:forbidigo // virtual time
				switch {
				case err != nil:
				case upTo(20) == 0:
					lock.Lock()
					kept = append(kept, sub)
					lock.Unlock()
				default:
					_ = sub.Close(t.Context()) // the connection may have gone
				}
			}
		})
	}
	wg.Go(func() {
		for range 1 + upTo(8) {
			time.Sleep(time.Duration(upTo(3000)) * time.Millisecond) //nolint:forbidigo // virtual time
			switch upTo(3) {
			case 0:
				if err := s.Reconnect(t.Context()); err != nil {
					t.Error(err)
				}
			case 1:
				if _, err := s.VerifySubscriptions(t.Context()); err != nil {
					t.Log(err) // the connection may have gone
				}
			default:
				f.last().close()
			}
		}
	})
	wg.Wait()
	time.Sleep(2 * time.Minute) //nolint:forbidigo // virtual time
	if err := s.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
	synctest.Wait()
	var want []string
	for _, sub := range kept {
		if err := sub.Err(); err != nil {
			t.Errorf("a kept subscription: %v", err)
		}
		want = append(want, sub.Channels()...)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if got := server.by(f.last()); !slices.Equal(got, want) {
		t.Errorf("seed %d: the exchange serves %q, wanted are %q", seed, got, want)
	}
	if n := s.Stats().Channels; n != len(want) {
		t.Errorf("seed %d: the session wants %d channels of %d", seed, n, len(want))
	}
}
