package session_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestManyLeaveAtOnce has a hundred subscriptions closed over a connection that answers no unsubscribe: they wait for its answers
// together, as does who subscribes behind them, and each is told that there was none.
func TestManyLeaveAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/unsubscribe": silent})
		cfg := scripted(f)
		cfg.CallTimeout = 10 * time.Second
		s := dial(t, cfg)
		subs := make([]*session.Subscription, 100)
		for i := range subs {
			subs[i] = subscribe(t, s, session.SubscribeConfig{}, fmt.Sprint("ticker.", i))
		}
		start := time.Now()
		var closing sync.WaitGroup
		for _, sub := range subs {
			closing.Go(func() {
				if err := sub.Close(t.Context()); !isA[*rpc.CallError](err) {
					t.Errorf("Close = %v, want that nothing was answered", err)
				}
			})
		}
		synctest.Wait()
		subscribe(t, s, session.SubscribeConfig{}, "quote.A")
		closing.Wait()
		if took, n := time.Since(start), f.count("public/unsubscribe"); took > 2*cfg.CallTimeout || n > 2 {
			t.Errorf("%d unsubscribes in %v, want two at the most, each for a CallTimeout", n, took)
		}
	})
}

// leaving returns what has a subscription closed, and wants what Close returns in the end, for which closing waits.
func leaving(t *testing.T) (leave func(sub *session.Subscription, want func(error) bool), closing *sync.WaitGroup) {
	t.Helper()
	closing = &sync.WaitGroup{}
	return func(sub *session.Subscription, want func(error) bool) {
		closing.Go(func() {
			if err := sub.Close(t.Context()); !want(err) {
				t.Errorf("Close = %v", err)
			}
		})
		synctest.Wait()
	}, closing
}

// TestRefusedTogetherIsHalved leaves two private channels in one frame, which is refused for one of them: the other is left all the same.
func TestRefusedTogetherIsHalved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var left []string
		f := newFar(t, script{"public/unsubscribe": silent, "private/unsubscribe": func(p *peer, r request) {
			if slices.Contains(channelsOf(r), "user.portfolio.btc") {
				p.refuse(r, 11050, "bad_request")
				return
			}
			left = append(left, channelsOf(r)...)
			p.comply(r)
		}})
		s := dial(t, scripted(f))
		first := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		refused, fine := subscribe(t, s, session.SubscribeConfig{}, "user.portfolio.btc"), subscribe(t, s, session.SubscribeConfig{}, "user.portfolio.eth")
		leave, closing := leaving(t)
		leave(first, isA[*rpc.CallError]) // holds the turn
		leave(refused, isA[*rpc.Error])
		leave(fine, nothing)
		closing.Wait()
		if !slices.Equal(left, []string{"user.portfolio.eth"}) {
			t.Errorf("left: %v", left)
		}
	})
}

// TestRefusedTogether leaves a private channel, which is refused, together with a public one: each Close has its own answer.
func TestRefusedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/unsubscribe": silent, "private/unsubscribe": refusing(11050, "bad_request")})
		s := dial(t, scripted(f))
		first := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		private, public := subscribe(t, s, session.SubscribeConfig{}, "user.portfolio.btc"), subscribe(t, s, session.SubscribeConfig{}, "ticker.B")
		leave, closing := leaving(t)
		leave(first, isA[*rpc.CallError]) // holds the turn
		leave(private, isA[*rpc.Error])
		leave(public, isA[*rpc.CallError])
		closing.Wait()
		if n := f.count("public/unsubscribe"); n != 2 {
			t.Errorf("%d unsubscribes of public channels, want 2", n)
		}
	})
}
