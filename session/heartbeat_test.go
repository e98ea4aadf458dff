package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestHeartbeatIsAnsweredForAnHour leaves a session alone with an exchange that cuts whoever does not answer.
// Asks: f0cii/deribit-api#5, tardis-node#3.
func TestHeartbeatIsAnsweredForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, HeartbeatGrace: time.Second})
		cfg.Heartbeat = 10 * time.Second
		s := dial(t, cfg)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		if stats := server.Stats(); !s.Ready() || stats.Connections != 1 || stats.Calls["public/test"] < 350 {
			t.Errorf("ready %t, %d connections, %d heartbeats answered", s.Ready(), stats.Connections, stats.Calls["public/test"])
		}
	})
}

func TestTestRequestIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		dial(t, scripted(f))
		f.last().testRequest()
		synctest.Wait()
		if n := f.count("public/test"); n != 1 {
			t.Errorf("%d answers, want 1", n)
		}
		f.last().send(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}`)
		synctest.Wait()
		if n := f.count("public/test"); n != 1 {
			t.Errorf("%d answers after a heartbeat that asks nothing, want 1", n)
		}
	})
}

// TestTestRequestsDoNotPileUp sends many of them, of which none is answered yet: the reader goes on, and one answer more
// does for those that wait.
func TestTestRequestsDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/test": silent})
		s := dial(t, scripted(f))
		for range 10 {
			f.last().testRequest()
		}
		if err := s.Call(t.Context(), "public/hello", nil, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(15 * time.Second) //nolint:forbidigo // virtual time: the first answer has been given up
		if n := f.count("public/test"); n != 2 || s.Stats().Epoch != 1 {
			t.Errorf("%d answers over %d connections, want two over one", n, s.Stats().Epoch)
		}
	})
}

// TestSilenceEndsAConnection is the half-open connection: nothing comes any more, and nothing says so. It is given up two and a half
// intervals after the last frame, and not a second and a bit later, whatever the frame was and whenever it came.
// Asks: go-deribit#21, viem#3771, pod-sdk#261, go-ethereum#23845, core-geth#289, deribit-v2-ws#1, passivbot_lighter#3,
// viem#3498.
func TestSilenceEndsAConnection(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 7*time.Second + 900*time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var halfOpen atomic.Bool
				f := newFar(t, script{"public/hello": silent, "public/set_heartbeat": func(p *peer, r request) {
					if p.number > 1 || !halfOpen.Load() {
						p.comply(r)
					}
				}})
				cfg := scripted(f)
				cfg.Heartbeat = 10 * time.Second
				watch := &reasons{}
				cfg.Observer = watch
				s := dial(t, cfg)
				halfOpen.Store(true)
				if after > 0 {
					time.Sleep(after) //nolint:forbidigo // virtual time
					f.last().notify("ticker.A", "1")
				}
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := s.Call(ctx, "public/hello", nil, nil)
				const limit = 25 * time.Second
				if took := time.Since(start); took < limit || took > limit+time.Second {
					t.Errorf("the silence was noticed after %v, want two and a half intervals of 10s", took)
				}
				if err == nil || ctx.Err() != nil {
					t.Errorf("the call that waited ended with %v", err)
				}
				if err := s.WaitReady(ctx); err != nil || s.Stats().Epoch != 2 {
					t.Errorf("%v, epoch %d", err, s.Stats().Epoch)
				}
				if !errors.Is(watch.of(session.Backoff), session.ErrSilent) {
					t.Errorf("the reason given is %v, want ErrSilent", watch.of(session.Backoff))
				}
			})
		})
	}
}

// TestSilenceIsTheReasonOfItsCalls: who has an order under way when a silent connection is given up is told of the silence, and not that
// somebody has closed the connection; and so is who wants another connection just then, if that cannot be had.
func TestSilenceIsTheReasonOfItsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": silent, "public/auth": func(p *peer, r request) {
			if p.number != 2 {
				p.comply(r)
			}
		}})
		cfg := scripted(f)
		cfg.Heartbeat, cfg.CallTimeout = 10*time.Second, time.Hour
		s := dial(t, cfg)
		var beside sync.WaitGroup
		beside.Go(func() { // the next connection is silent, too
			if err := s.Reconnect(t.Context()); err != nil || s.Stats().Epoch != 3 {
				t.Errorf("Reconnect = %v over connection %d, want it to wait for the third", err, s.Stats().Epoch)
			}
		})
		err := s.Call(t.Context(), "private/buy", nil, nil)
		unanswered, ok := errors.AsType[*rpc.CallError](err)
		if !ok || unanswered.Outcome != rpc.Unknown || !errors.Is(err, session.ErrSilent) || errors.Is(err, rpc.ErrClosed) {
			t.Errorf("%v, want an unknown outcome for ErrSilent", err)
		}
		beside.Wait()
	})
}

// reasons is an Observer that keeps why each state was entered last.
type reasons struct {
	recorder
	whyMu sync.Mutex // protects why
	why   map[session.State]error
}

// StateChanged implements session.Observer.
func (r *reasons) StateChanged(_ *session.Session, _, to session.State, err error) {
	r.whyMu.Lock()
	defer r.whyMu.Unlock()
	if r.why == nil {
		r.why = map[session.State]error{}
	}
	r.why[to] = err
}

func (r *reasons) of(state session.State) error {
	r.whyMu.Lock()
	defer r.whyMu.Unlock()
	return r.why[state]
}

func TestHeartbeatCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		time.Sleep(24 * time.Hour) //nolint:forbidigo // virtual time
		if n := f.count("public/set_heartbeat"); n != 0 || s.Stats().Epoch != 1 || !s.Ready() {
			t.Errorf("%d set_heartbeat, epoch %d, ready %t", n, s.Stats().Epoch, s.Ready())
		}
	})
}

func TestHeartbeatIsSetAgainAfterReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var intervals []string
		f := newFar(t, nil)
		f.script = script{"public/set_heartbeat": func(p *peer, r request) {
			intervals = append(intervals, string(r.Params))
			p.answer(r, "ok")
		}}
		cfg := scripted(f)
		cfg.Heartbeat = 42 * time.Second
		s := dial(t, cfg)
		f.last().close()
		synctest.Wait()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		if want := []string{`{"interval":42}`, `{"interval":42}`}; !s.Ready() || !slices.Equal(intervals, want) {
			t.Errorf("ready %t, intervals %q", s.Ready(), intervals)
		}
	})
}

// TestTokenIsRenewedBeforeItEnds lets a token of 60 s live for ten minutes: at no time does the exchange see a dead one.
// Asks: centrifuge-dart#129.
func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		cfg.Scope = "account:read expires:60"
		s := dial(t, cfg)
		for range 600 {
			time.Sleep(time.Second) //nolint:forbidigo // virtual time
			if err := s.Call(t.Context(), "private/get_cancel_on_disconnect", nil, nil); err != nil {
				t.Fatal(err)
			}
			if left := time.Until(s.Stats().TokenExpires); left < time.Second {
				t.Fatalf("the token ends in %v", left)
			}
		}
		stats := server.Stats()
		if stats.Authentications < 10 || stats.Authentications > 13 || stats.Connections != 1 || s.Stats().Resent != 0 {
			t.Errorf("%d authentications over %d connections, %d calls resent", stats.Authentications, stats.Connections, s.Stats().Resent)
		}
	})
}

// TestYearLongTokenIsRenewedOnce is the life that other clients' timers cannot hold.
// Asks: cryptofeed#1023, Kucoin.Net#140.
func TestYearLongTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, seconds := range map[string]int64{"a year": 31536000, "ten years": 315360000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"public/auth": func(p *peer, r request) { p.grant(r, seconds) }})
				cfg := scripted(f)
				cfg.Heartbeat = -1
				s := dial(t, cfg)
				life := time.Duration(seconds) * time.Second
				time.Sleep(life/100*84 - day) //nolint:forbidigo // virtual time
				if n := f.count("public/auth"); n != 1 {
					t.Errorf("%d authentications before 84 %% of the token's life", n)
				}
				time.Sleep(life / 100 * 12) //nolint:forbidigo // virtual time
				if n := f.count("public/auth"); n != 2 || !s.Ready() || s.Stats().Epoch != 1 {
					t.Errorf("%d authentications at 96 %% of the token's life, ready %t, epoch %d", n, s.Ready(), s.Stats().Epoch)
				}
			})
		})
	}
}

// TestOddTokenLives are lives that arithmetic could stumble over.
func TestOddTokenLives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seconds  int64
		min, max int // authentications in an hour
	}{
		"none":     {0, 1, 1},
		"negative": {-5, 1, 1},
		"a second": {1, 1000, 3602},
		"huge":     {1 << 62, 1, 1},
		"wraps":    {18_446_744_074, 1, 1}, // 0.3 s more than the nanoseconds that 64 bits hold
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"public/auth": func(p *peer, r request) { p.grant(r, c.seconds) }})
				cfg := scripted(f)
				cfg.Heartbeat = -1
				dial(t, cfg)
				time.Sleep(time.Hour) //nolint:forbidigo // virtual time
				if n := f.count("public/auth"); n < c.min || n > c.max {
					t.Errorf("%d authentications in an hour, want %d to %d", n, c.min, c.max)
				}
			})
		})
	}
}

// TestFailedRenewalIsMadeUpFor refuses a renewal for no lasting reason: the session goes on, and the next call that is
// refused has it authenticate again.
func TestFailedRenewalIsMadeUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		auths, authorised := 0, true
		f.script = script{
			"public/auth": func(p *peer, r request) {
				if auths++; auths == 2 {
					authorised = false
					p.refuse(r, int(session.CodeRetry), "retry")
					return
				}
				authorised = true
				p.grant(r, 60)
			},
			"private/get_positions": func(p *peer, r request) {
				if !authorised {
					p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
					return
				}
				p.answer(r, json.RawMessage(`[]`))
			},
		}
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		time.Sleep(59 * time.Second) //nolint:forbidigo // virtual time
		if err := s.Call(t.Context(), "private/get_positions", nil, nil); err != nil || !s.Ready() || s.Stats().Epoch != 1 {
			t.Errorf("%v, ready %t, epoch %d", err, s.Ready(), s.Stats().Epoch)
		}
	})
}
