package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestI4OneGapPerLoss loses the connection five times, between two notifications of each of three subscriptions: each
// stream holds exactly one marker per loss, in its place.
// Asks: subxt#2053, subxt#1423, subxt#1190, subxt#1657, subxt#1567, async-substrate-interface#200, coinbase-pro-node#102,
// go-ethereum#22266, ethers.js#4721, ethers-rs#2418, deribit-v2-ws#19.
func TestI4OneGapPerLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const losses = 5
		f, watch := newFar(t, nil), &recorder{}
		cfg := scripted(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		var subs []*session.Subscription
		for _, channels := range [][]string{{"ticker.A"}, {"ticker.A", "ticker.B"}, {"ticker.C", "user.orders.any"}} {
			sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, channels...)
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, sub)
		}
		for loss := range losses {
			for _, channel := range []string{"ticker.A", "ticker.C"} {
				f.last().notify(channel, strconv.Itoa(loss))
			}
			f.last().close()
			synctest.Wait()
			time.Sleep(time.Second) //nolint:forbidigo // virtual time
			if !s.Ready() {
				t.Fatalf("not ready after loss %d", loss)
			}
		}
		f.last().notify("ticker.A", "5")
		f.last().notify("ticker.C", "5")
		synctest.Wait()
		want := "0 reconnect/0 1 reconnect/0 2 reconnect/0 3 reconnect/0 4 reconnect/0 5"
		for _, sub := range subs {
			wantEntries(t, waiting(t, sub), want)
		}
		if n := len(watch.gaps); n != losses*len(subs) {
			t.Errorf("the observer was told of %d gaps, want %d", n, losses*len(subs))
		}
	})
}

// waiting is what the stream of a subscription holds now.
func waiting(t *testing.T, sub *session.Subscription) []string {
	t.Helper()
	var got []string
	for n, err := range session.Waiting(sub) {
		got = append(got, describe(n, err))
	}
	return got
}

// TestI4CutConnections does the same against the exchange's double over TCP, with books whose chains prove the rest.
// Asks: gocryptotrader#540, f0cii/deribit-api#4, bitfinex-api-py#39, jsonrpsee#678, hummingbot#8250, lotus#5614, ccxt#15338,
// binance-connector-python#337, binance-connector-rust#26, ethers.js#4721, ethers-rs#2418.
func TestI4CutConnections(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: time.Millisecond})
	s := dial(t, on(server, server.AddKey(deribittest.KeyConfig{})))
	sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw")
	if err != nil {
		t.Fatal(err)
	}
	for loss := range 3 {
		epoch := s.Stats().Epoch
		for {
			n, err := receive(t, sub)
			if err != nil {
				t.Fatalf("loss %d: %v", loss, err)
			}
			if n.Epoch != epoch {
				t.Fatalf("a notification of epoch %d in epoch %d, before the gap", n.Epoch, epoch)
			}
			if strings.Contains(string(n.Data), `"change"`) && strings.Contains(string(n.Data), "prev_change_id") {
				break
			}
		}
		server.CutConnections()
		gap := firstGap(t, sub)
		if gap.Reason != session.GapReconnect || gap.Epoch != epoch {
			t.Errorf("loss %d: gap %+v", loss, gap)
		}
		n, err := receive(t, sub)
		if err != nil || !strings.Contains(string(n.Data), `"snapshot"`) {
			t.Errorf("loss %d: after the gap came %q, %v, want a snapshot", loss, n.Data, err)
		}
	}
	for _, ch := range s.Channels() {
		if ch.Breaks != 0 || ch.Snapshots != 4 || ch.Gaps != 3 {
			t.Errorf("%s: %d breaks, %d snapshots, %d gaps", ch.Channel, ch.Breaks, ch.Snapshots, ch.Gaps)
		}
	}
}

func firstGap(t *testing.T, sub *session.Subscription) *session.GapError {
	t.Helper()
	for {
		_, err := receive(t, sub)
		if gap, ok := errors.AsType[*session.GapError](err); ok {
			return gap
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestI3NoStaleSends breaks the connection under calls, and has others come while there is none: none of them is written
// to the next connection, on which the session only re-establishes what it promised.
// Asks: nautilus_trader#3820, alloy#4196, alloy#3860, alloy#690, alloy#105, binance-connector-rust#54.
func TestI3NoStaleSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": silent})
		cfg := scripted(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Minute) }
		s := dial(t, cfg)
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A"); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			pending, err := s.Send(t.Context(), "private/buy", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := pending.Wait(t.Context(), nil); !isA[*rpc.CallError](err) {
					t.Errorf("a call that was on its way ended with %v", err)
				}
			}()
		}
		f.last().close()
		synctest.Wait()
		err := s.Call(t.Context(), "private/buy", nil, nil)
		unanswered, ok := errors.AsType[*rpc.CallError](err)
		if !ok || unanswered.Outcome != rpc.NotSent || !errors.Is(err, session.ErrNotReady) || !rpc.SafeToRetry(err) {
			t.Errorf("a call without a connection: %v, want ErrNotReady, not sent", err)
		}
		if s.State() != session.Backoff || s.Ready() || s.Generation() != 0 {
			t.Errorf("state %v, ready %t, generation %d", s.State(), s.Ready(), s.Generation())
		}
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := f.requests(2)
		slices.Sort(got[1:]) // the heartbeat is set beside the resume
		if want := []string{"public/auth", "public/set_heartbeat", "public/subscribe"}; !slices.Equal(got, want) {
			t.Errorf("over the next connection went %q, want %q", got, want)
		}
	})
}

// TestI2UnknownOutcomes is every call that was on its way when the connection broke: unknown, and not safe to send again.
// Asks: trading-gpt#94, trading-signals#1178, binance-java-api#55, bitfinex-api-node#247, lotus#1155.
func TestI2UnknownOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": silent, "public/hello": silent})
		s := dial(t, scripted(f))
		var waiting []*session.Pending
		for i := range 20 {
			pending, err := s.Send(t.Context(), []string{"private/buy", "public/hello"}[i%2], nil)
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, pending)
		}
		synctest.Wait()
		f.last().close()
		for _, pending := range waiting {
			err := pending.Wait(t.Context(), nil)
			unanswered, ok := errors.AsType[*rpc.CallError](err)
			if !ok || unanswered.Outcome != rpc.Unknown || rpc.SafeToRetry(err) {
				t.Errorf("%v, want an unknown outcome", err)
			}
		}
		if n := f.count("private/buy"); n != 10 {
			t.Errorf("%d orders left, want 10", n)
		}
	})
}

// Asks: gocryptotrader#540, f0cii/deribit-api#4, bitfinex-api-py#39, jsonrpsee#678, hummingbot#8250, lotus#5614,
// nautilus_trader#3204.
func TestResumeIsBeforeReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		hold := make(chan struct{})
		f.script = script{"public/subscribe": func(p *peer, r request) {
			if p.number == 2 {
				<-hold
			}
			p.comply(r)
		}}
		s := dial(t, scripted(f))
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A"); err != nil {
			t.Fatal(err)
		}
		f.last().close()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		if s.Ready() || s.State() != session.Resuming {
			t.Errorf("ready %t, state %v while the channels are not confirmed", s.Ready(), s.State())
		}
		close(hold)
		synctest.Wait()
		if !s.Ready() {
			t.Errorf("state %v after the channels were confirmed", s.State())
		}
	})
}

// TestRefusedAtResume has an instrument expire while the session is away.
// Asks: go-deribit#16, gocryptotrader#1857.
func TestRefusedAtResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/subscribe": func(p *peer, r request) {
			channels := channelsOf(r)
			if p.number == 2 {
				channels = slices.DeleteFunc(channels, func(n string) bool { return n == "ticker.OLD" })
			}
			p.answer(r, channels)
		}}
		s := dial(t, scripted(f))
		both, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A", "ticker.OLD")
		if err != nil {
			t.Fatal(err)
		}
		only, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.OLD")
		if err != nil {
			t.Fatal(err)
		}
		var told []error
		handled, err := s.Subscribe(t.Context(), session.SubscribeConfig{
			Handler: func(session.Notification) {}, OnGap: func(err error) { told = append(told, err) },
		}, "ticker.A", "ticker.OLD")
		if err != nil {
			t.Fatal(err)
		}
		f.last().close()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		if !s.Ready() {
			t.Fatalf("state %v: a refused channel must not stop the session", s.State())
		}
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		got := waiting(t, both)
		if len(got) != 3 || !strings.Contains(got[0], "ticker.OLD") || got[1] != "reconnect/0" || got[2] != "1" {
			t.Errorf("the stream with another channel = %q", got)
		}
		refused, ok := errors.AsType[*session.SubscribeError](only.Err())
		if !ok || !slices.Equal(refused.Refused, []string{"ticker.OLD"}) {
			t.Errorf("the subscription without another channel ended with %v", only.Err())
		}
		if len(told) != 2 || !isA[*session.GapError](told[0]) || !isA[*session.SubscribeError](told[1]) {
			t.Errorf("the handler was told %v", told)
		}
		if channels := handled.Channels(); !slices.Equal(channels, []string{"ticker.A"}) {
			t.Errorf("left are %q", channels)
		}
	})
}

// TestRefusedCredentialsEndTheSession is the key whose secret was reset elsewhere: the session must not go on knocking.
// Asks: XChange#4740, passivbot#1505, openalgo#2035, vault#28989.
func TestRefusedCredentialsEndTheSession(t *testing.T) {
	t.Parallel()
	for _, code := range []rpc.Code{session.CodeInvalidCredentials, session.CodeLoginOverLimit, session.CodeUnauthorized} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, watch := newFar(t, nil), &recorder{}
				f.script = script{"public/auth": func(p *peer, r request) {
					if p.number == 1 {
						p.comply(r)
						return
					}
					p.refuse(r, int(code), "no")
				}}
				cfg := scripted(f)
				cfg.Observer = watch
				s := dial(t, cfg)
				sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A")
				if err != nil {
					t.Fatal(err)
				}
				f.last().close()
				<-s.Done()
				if !isRefused(code)(s.Err()) || !isRefused(code)(sub.Err()) {
					t.Errorf("the session ended with %v, its subscription with %v", s.Err(), sub.Err())
				}
				if n := f.count("public/auth"); n != 2 {
					t.Errorf("%d authentications, want no more than one after the loss", n)
				}
				watch.check(t)
			})
		})
	}
}

// TestReconnectEndsABackoff is an operator who knows that the network is back.
// Asks: ccxt#22871.
func TestReconnectEndsABackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Hour) }
		s := dial(t, cfg)
		f.last().close()
		synctest.Wait()
		start := time.Now()
		if err := s.Reconnect(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestReconnectsJoinInBackoff has many want a connection while there is none, and the exchange ask for less: one attempt answers them all,
// and no further one follows within the exchange's pause.
func TestReconnectsJoinInBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		var dials []time.Time
		f.refuse = func(attempt int) error {
			if attempt == 1 {
				return nil
			}
			dials = append(dials, time.Now())
			if attempt == 2 {
				return errors.New("no route")
			}
			return &rpc.HandshakeError{Status: http.StatusTooManyRequests}
		}
		cfg := scripted(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Hour) }
		s := dial(t, cfg)
		f.last().close()
		time.Sleep(time.Hour + time.Minute) //nolint:forbidigo // virtual time: an attempt has failed, and the next is far
		synctest.Wait()
		dials = nil
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		for range 20 {
			wg.Go(func() {
				if err := s.Reconnect(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Reconnect = %v", err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if len(dials) != 1 {
			t.Errorf("%d dials at once for 20 callers, want 1", len(dials))
		}
		dials = nil
		if err := s.Reconnect(ctx); !errors.Is(err, context.DeadlineExceeded) || len(dials) != 0 {
			t.Errorf("%v, %d dials", err, len(dials))
		}
	})
}

// TestReconnectKeepsTheExchangesPause has an impatient caller while the exchange refuses logins for their number.
func TestReconnectKeepsTheExchangesPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Hour) }
		s := dial(t, cfg)
		f.script = script{"public/auth": refusing(int(session.CodeTooManyRequests), "too_many_requests")}
		before := f.count("public/auth")
		f.last().close()
		for range 60 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := s.Reconnect(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Reconnect = %v", err)
			}
			cancel()
		}
		if n := f.count("public/auth") - before; n < 10 || n > 13 {
			t.Errorf("%d logins in a minute, want one each five seconds", n)
		}
	})
}

// TestReconnectCtx lets a planned reconnect hang: ctx bounds the wait, and the session goes on trying.
func TestReconnectCtx(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		f.hang.Store(true)
		for range 2 { // the second finds one under way
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if err := s.Reconnect(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%v after %v, want ctx's error after a second", err, time.Since(start))
			}
			cancel()
		}
		f.hang.Store(false)
		if err := s.WaitReady(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReconnectsJoin has many want a new connection at once: those who come while one is being made share it.
func TestReconnectsJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		hold := make(chan struct{})
		f.script = script{"public/auth": func(p *peer, r request) {
			if p.number == 2 {
				<-hold
			}
			p.comply(r)
		}}
		s := dial(t, scripted(f))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := s.Reconnect(t.Context()); err != nil {
					t.Errorf("Reconnect = %v", err)
				}
			})
		}
		synctest.Wait()
		close(hold)
		wg.Wait()
		if n := s.Stats().Epoch; n != 2 || !s.Ready() {
			t.Errorf("%d connections, ready %t, want the second one shared by all", n, s.Ready())
		}
	})
}
