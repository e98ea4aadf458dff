package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// meter is an exchange that counts credits as it is published: a pool for orders and cancels, and one for the rest. Calls beyond
// them are refused, and end their connection.
type meter struct {
	mu        sync.Mutex // protects the fields below
	pools     map[bool]*pool
	exhausted int
	served    map[string][]time.Duration // since the start, by method
	start     time.Time
}

// pool holds size credits, of which refill come back each second.
type pool struct {
	size, refill, left float64
	at                 time.Time
}

func (p *pool) spend(cost float64) bool {
	now := time.Now()
	p.left = min(p.size, p.left+p.refill*now.Sub(p.at).Seconds())
	p.at = now
	if p.left < cost {
		return false
	}
	p.left -= cost
	return true
}

func newMeter(t *testing.T) (*meter, *far) {
	t.Helper()
	now := time.Now()
	m := &meter{start: now, served: map[string][]time.Duration{}, pools: map[bool]*pool{
		true:  {size: 20, refill: 5, left: 20, at: now},
		false: {size: 50_000, refill: 10_000, left: 50_000, at: now},
	}}
	f := newFar(t, script{})
	for _, method := range []string{"public/auth", "public/set_heartbeat", "private/get_account_summary", "private/get_positions"} {
		f.script[method] = m.serve(false, 500)
	}
	for _, method := range []string{"private/buy", "private/cancel", "private/cancel_all"} {
		f.script[method] = m.serve(true, 1)
	}
	return m, f
}

func (m *meter) serve(matching bool, cost float64) func(*peer, request) {
	return func(p *peer, r request) {
		m.mu.Lock()
		ok := m.pools[matching].spend(cost)
		if ok {
			m.served[r.Method] = append(m.served[r.Method], time.Since(m.start))
		} else {
			m.exhausted++
		}
		m.mu.Unlock()
		if ok {
			p.comply(r)
			return
		}
		p.refuse(r, int(session.CodeTooManyRequests), "too_many_requests")
		p.close()
	}
}

func (m *meter) times(method string) []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.served[method])
}

// TestCallsKeepToTheLimits has 64 callers ask as fast as they can over two sessions of an account, for a minute: the exchange
// refuses none, and most of what it allows is used.
// Asks: DeribitDataScrapper#31.
func TestCallsKeepToTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newMeter(t)
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{MaxWait: time.Hour}
		sessions := []*session.Session{dial(t, cfg), dial(t, cfg)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 64 {
			s, method := sessions[i%2], []string{"private/get_positions", "private/buy"}[i/2%2]
			wg.Go(func() {
				for {
					if err := s.Call(ctx, method, nil, nil); errors.Is(err, session.ErrRateLimited) {
						return // it would wait beyond ctx's end
					} else if err != nil {
						t.Errorf("%s: %v", method, err)
						return
					}
				}
			})
		}
		wg.Wait()
		m.mu.Lock()
		exhausted := m.exhausted
		m.mu.Unlock()
		if reads, bought := len(m.times("private/get_positions")), len(m.times("private/buy")); exhausted > 0 || reads < 900 || bought < 220 {
			t.Errorf("%d refused, %d reads, %d orders in a minute, want none, 900 and 220", exhausted, reads, bought)
		}
		if n := sessions[0].Stats().Paced + sessions[1].Stats().Paced; n < 1000 {
			t.Errorf("%d calls paced", n)
		}
	})
}

// TestCancelsHaveCreditsOfTheirOwn queues a hundred orders: cancels go past them, and heartbeats' answers wait for nothing.
func TestCancelsHaveCreditsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newMeter(t)
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{MaxWait: time.Hour}
		s := dial(t, cfg)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		for _, method := range []string{"private/cancel", "private/cancel", "private/cancel", "private/cancel_all"} {
			if err := s.Call(t.Context(), method, nil, nil); err != nil {
				t.Error(err)
			}
		}
		f.last().testRequest()
		synctest.Wait()
		if took := time.Since(before); took != 0 || f.count("public/test") != 1 {
			t.Errorf("cancels took %v, %d answers to a heartbeat", took, f.count("public/test"))
		}
		if n := len(m.times("private/buy")); n != 15 {
			t.Errorf("%d orders left at once, want 15 of the burst of 20", n)
		}
		wg.Wait()
	})
}

// TestCancelsTakeWhatOrdersLeave has no orders: all of the burst that an account has is there for cancels, and not for orders then.
func TestCancelsTakeWhatOrdersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newMeter(t)
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{MaxWait: time.Nanosecond}
		s := dial(t, cfg)
		for range 20 {
			if err := s.Call(t.Context(), "private/cancel", nil, nil); err != nil {
				t.Fatalf("%v after %d cancels", err, len(m.times("private/cancel")))
			}
		}
		for _, method := range []string{"private/cancel", "private/buy"} {
			if err := s.Call(t.Context(), method, nil, nil); !errors.Is(err, session.ErrRateLimited) {
				t.Errorf("%s: %v, want ErrRateLimited", method, err)
			}
		}
	})
}

// TestCallThatWouldWaitTooLongFails at once, before a byte of it left.
// Asks: nautilus_trader#3820, alloy#4196, alloy#3860, alloy#690, alloy#105.
func TestCallThatWouldWaitTooLongFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most, deadline time.Duration
	}{
		"by default":      {0, time.Hour},
		"by MaxWait":      {100 * time.Millisecond, time.Hour},
		"by ctx":          {time.Hour, 100 * time.Millisecond},
		"without waiting": {time.Nanosecond, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, f := newMeter(t)
				cfg := unbeaten(f)
				cfg.Limits = &session.Limits{MaxWait: c.most}
				s := dial(t, cfg)
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				var sent sync.WaitGroup
				failed := make(chan error, 40)
				for range 40 {
					sent.Go(func() {
						if err := s.Call(ctx, "private/buy", nil, nil); err != nil {
							failed <- err
						}
					})
				}
				synctest.Wait()
				now := len(failed)
				for range now {
					err := <-failed
					if !errors.Is(err, session.ErrRateLimited) || !rpc.SafeToRetry(err) {
						t.Fatalf("%v, want ErrRateLimited before a byte left", err)
					}
				}
				sent.Wait()
				if n := len(m.times("private/buy")); n+now != 40 || n < 15 || n > 19 || len(failed) > 0 {
					t.Errorf("%d sent, %d failed at once, %d later", n, now, len(failed))
				}
			})
		})
	}
}

// TestLimitsAreLearnt tells limits of an account: what is odd, or not told, leaves the published ones.
func TestLimitsAreLearnt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string // empty for a refusal
		reads  int    // that leave at once
		orders int
	}{
		"large account": {`{"limits":{"non_matching_engine":{"rate":1000,"burst":1500},"matching_engine":{"trading":{"total":{"rate":200,"burst":400}}}}}`, 1125, 300},
		"per currency":  {`{"limits":{"limits_per_currency":true,"non_matching_engine":{"rate":40,"burst":200},"matching_engine":{"trading":{"perpetuals":{"btc":{"rate":9,"burst":99}}}}}}`, 150, 15},
		"nothing told":  {`{}`, 75, 15},
		"odd":           {`{"limits":{"non_matching_engine":{"rate":-1,"burst":1e300},"matching_engine":{"trading":{"total":{"rate":1,"burst":0}}}}}`, 75, 15},
		"another type":  {`{"limits":{"non_matching_engine":[]}}`, 75, 15},
		"small":         {`{"limits":{"non_matching_engine":{"rate":1e-3,"burst":1}}}`, 1, 15},
		"refused":       {``, 75, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"private/get_account_summary": func(p *peer, r request) {
					if c.answer == "" {
						p.refuse(r, int(session.CodeForbidden), "forbidden")
						return
					}
					p.answer(r, json.RawMessage(c.answer))
				}})
				cfg := unbeaten(f)
				cfg.Limits = &session.Limits{MaxWait: time.Nanosecond}
				s := dial(t, cfg)
				synctest.Wait()
				for method, want := range map[string]int{"private/get_positions": c.reads, "private/buy": c.orders} {
					n := 0
					for s.Call(t.Context(), method, nil, nil) == nil && n < 10_000 {
						n++
					}
					if n != want {
						t.Errorf("%d of %s left at once, want %d", n, method, want)
					}
				}
			})
		})
	}
}

// TestLimitsOfTheDouble learns what the exchange's double tells.
func TestLimitsOfTheDouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		cfg.Limits = &session.Limits{}
		s := dial(t, cfg)
		synctest.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := server.Stats().Calls["private/get_account_summary"]; n != 2 {
			t.Errorf("asked %d times over two connections", n)
		}
	})
}

// TestTooManyRequestsEndsTheConnection has the exchange hang up after a refusal: the reason is told, and the next connection
// waits until there are credits again.
// Asks: DeribitDataScrapper#31.
func TestTooManyRequestsEndsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, script{"private/get_positions": func(p *peer, r request) {
			p.refuse(r, int(session.CodeTooManyRequests), "too_many_requests")
			p.close()
		}}), &reasons{}
		cfg := unbeaten(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		start := time.Now()
		err := s.Call(t.Context(), "private/get_positions", nil, nil)
		if refusal, ok := errors.AsType[*rpc.Error](err); !ok || refusal.Code != session.CodeTooManyRequests || !rpc.SafeToRetry(err) {
			t.Errorf("%v, want the refusal", err)
		}
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("ready again after %v, want the five seconds in which a pool fills", took)
		}
		if err := watch.of(session.Backoff); !errors.Is(err, session.ErrRateLimited) {
			t.Errorf("the reason given is %v, want ErrRateLimited", err)
		}
	})
}

// TestTooManyRequestsOnALiveSocket is the other reading of the documents: the connection stays, and what is paced rests.
func TestTooManyRequestsOnALiveSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/get_positions": refusing(int(session.CodeTooManyRequests), "too_many_requests")})
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{MaxWait: time.Minute}
		s := dial(t, cfg)
		if err := s.Call(t.Context(), "private/get_positions", nil, nil); err == nil {
			t.Error("the call succeeded")
		}
		start := time.Now()
		if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v, want five seconds of rest", err, time.Since(start))
		}
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		f.last().close()
		synctest.Wait()
		start = time.Now()
		if err := s.WaitReady(t.Context()); err != nil || time.Since(start) > time.Second || s.Stats().Epoch != 2 {
			t.Errorf("%v: a loss long after was taken for the limit's: %v, epoch %d", err, time.Since(start), s.Stats().Epoch)
		}
	})
}

// TestCancelsAfterTooManyRequests has a read refused on a socket that lives: orders rest, and cancels wait for a credit each.
func TestCancelsAfterTooManyRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/get_positions": refusing(int(session.CodeTooManyRequests), "too_many_requests")})
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{}
		s := dial(t, cfg)
		if err := s.Call(t.Context(), "private/get_positions", nil, nil); err == nil {
			t.Error("the call succeeded")
		}
		start := time.Now()
		if err := s.Call(t.Context(), "private/buy", nil, nil); !errors.Is(err, session.ErrRateLimited) {
			t.Errorf("an order: %v, want ErrRateLimited", err)
		}
		for _, c := range []struct {
			method string
			after  time.Duration // a credit is back each 800 ms: a quarter of five each second
		}{
			{"private/cancel_all", 800 * time.Millisecond},
			{"private/cancel", 800 * time.Millisecond},
			{"private/cancel", 1600 * time.Millisecond},
			{"private/cancel", 2400 * time.Millisecond},
		} {
			if err := s.Call(t.Context(), c.method, nil, nil); err != nil || time.Since(start) != c.after {
				t.Errorf("%s: %v after %v, want %v", c.method, err, time.Since(start), c.after)
			}
		}
	})
}

// TestTooManyRequestsPutsOffWhatWaits refuses a call while others wait for their credits: they rest with all that comes later, or fail
// if that is longer than they may wait.
func TestTooManyRequestsPutsOffWhatWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most         time.Duration
		first, last  time.Duration // when they are sent after the refusal
		sent, failed int
	}{
		"long":     {time.Hour, 5 * time.Second, 5*time.Second + 14*time.Second/15*4, 15, 0},
		"too long": {4 * time.Second, 0, 0, 0, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, f := newMeter(t)
				f.script["private/get_positions"] = refusing(int(session.CodeTooManyRequests), "too_many_requests")
				cfg := unbeaten(f)
				cfg.Limits = &session.Limits{MaxWait: c.most}
				s := dial(t, cfg)
				failed := make(chan error, 30)
				var wg sync.WaitGroup
				for range 30 {
					wg.Go(func() {
						if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil {
							failed <- err
						}
					})
				}
				synctest.Wait()
				time.Sleep(time.Millisecond) //nolint:forbidigo // virtual time
				refused := time.Since(m.start)
				if err := s.Call(t.Context(), "private/get_positions", nil, nil); err == nil {
					t.Error("the call succeeded")
				}
				wg.Wait()
				sent := m.times("private/buy")[15:] // after those of the burst
				if len(sent) != c.sent || len(failed) != c.failed {
					t.Fatalf("%d sent, %d failed, want %d and %d", len(sent), len(failed), c.sent, c.failed)
				}
				for range c.failed {
					if err := <-failed; !errors.Is(err, session.ErrRateLimited) || !rpc.SafeToRetry(err) {
						t.Errorf("%v, want ErrRateLimited before a byte left", err)
					}
				}
				if c.sent == 0 {
					return
				}
				first, last := sent[0]-refused, sent[c.sent-1]-refused
				if first != c.first || (last-c.last).Abs() > time.Millisecond {
					t.Errorf("sent from %v to %v, want %v to %v", first, last, c.first, c.last)
				}
			})
		})
	}
}

// TestPacedCallIsNotSentAfterALoss loses the connection while calls wait for their credits: I3 holds for them too.
// Asks: nautilus_trader#3820, alloy#4196, alloy#3860, alloy#690, alloy#105.
func TestPacedCallIsNotSentAfterALoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := newMeter(t)
		cfg := unbeaten(f)
		cfg.Limits = &session.Limits{MaxWait: time.Hour}
		s := dial(t, cfg)
		var wg sync.WaitGroup
		failed := make(chan error, 20)
		for range 20 {
			wg.Go(func() {
				if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil {
					failed <- err
				}
			})
		}
		synctest.Wait()
		f.last().close()
		wg.Wait()
		close(failed)
		for err := range failed {
			if !errors.Is(err, session.ErrNotReady) || !rpc.SafeToRetry(err) {
				t.Errorf("%v, want ErrNotReady before a byte left", err)
			}
		}
		if n := len(m.times("private/buy")); n != 15 {
			t.Errorf("%d orders were sent, want the 15 that had their credits", n)
		}
	})
}

// TestRefusedSubscribeIsPaidFor has a subscribe refused for want of authority, and sent again: the exchange counts both.
func TestRefusedSubscribeIsPaidFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		isRefused := false
		f := newFar(t, script{"private/subscribe": func(p *peer, r request) {
			if !isRefused {
				isRefused = true
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.answer(r, channelsOf(r))
		}})
		s := dial(t, unbeaten(f))
		start := time.Now()
		for i := range 10 {
			subscribe(t, s, session.SubscribeConfig{}, fmt.Sprintf("user.orders.INSTRUMENT-%d.raw", i))
			synctest.Wait()
			if n, waited := f.count("private/subscribe"), time.Since(start) > 0; waited != (n > 8) {
				t.Errorf("%d requests, waited %t: want 8 at once", n, waited)
			}
		}
	})
}
