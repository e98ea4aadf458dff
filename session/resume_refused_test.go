package session_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	allowed   = "user.orders.a.raw"
	forbidden = "user.orders.bad.raw"
	rawTrades = "trades.BTC-PERPETUAL.raw"
)

// lasting are refusals of a channel that stay, by code, and the channel.
var lasting = map[int]string{
	10000: forbidden, 10020: forbidden, 11042: forbidden, 11050: forbidden, 11052: forbidden, 13009: forbidden, 13020: forbidden,
	13021: forbidden, 13403: forbidden, 13778: rawTrades,
}

// forEachRefusal runs a test in a bubble of time for each of them. The session has no credentials for a raw channel, which then is
// refused for want of them.
func forEachRefusal(t *testing.T, test func(t *testing.T, f *far, cfg session.Config, channel string, refuse func(*peer, request))) {
	t.Helper()
	for code, channel := range lasting {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				cfg := unbeaten(f)
				if channel == rawTrades {
					cfg.Credentials = nil
				}
				test(t, f, cfg, channel, refusing(code, "no"))
			})
		})
	}
}

// TestChannelThatIsRefusedWithAnError: one channel that the exchange no longer allows must not keep all the others away.
func TestChannelThatIsRefusedWithAnError(t *testing.T) {
	t.Parallel()
	forEachRefusal(t, func(t *testing.T, f *far, cfg session.Config, channel string, refuse func(*peer, request)) {
		t.Helper()
		judge := func(p *peer, r request) {
			if p.number > 1 && slices.Contains(channelsOf(r), channel) {
				refuse(p, r)
				return
			}
			p.comply(r)
		}
		f.script = script{"private/subscribe": judge, "public/subscribe": judge}
		s := dial(t, cfg)
		subs := map[string]*session.Subscription{}
		for _, name := range []string{allowed, channel, "user.orders.c.raw", "ticker.d.100ms", "ticker.e.100ms"} {
			if cfg.Credentials != nil || name == channel || name[:4] != "user" {
				subs[name] = subscribe(t, s, session.SubscribeConfig{}, name)
			}
		}
		f.last().close()
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		if n := s.Stats(); !s.Ready() || n.Epoch != 2 || n.Channels != len(subs)-1 {
			t.Errorf("ready %t over connection %d with %d channels of %d", s.Ready(), n.Epoch, n.Channels, len(subs))
		}
		for name, sub := range subs {
			if err := sub.Err(); (name == channel) != isA[*rpc.Error](err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := f.count("public/auth"); n > 3 {
			t.Errorf("%d authentications", n)
		}
	})
}

// TestSubscribeThatIsRefusedDuringAReconnect: who subscribes while there is no connection to what the exchange refuses is told so, and
// does not keep the channels of others away.
func TestSubscribeThatIsRefusedDuringAReconnect(t *testing.T) {
	t.Parallel()
	forEachRefusal(t, func(t *testing.T, f *far, cfg session.Config, channel string, refuse func(*peer, request)) {
		t.Helper()
		judge := func(p *peer, r request) {
			if slices.Contains(channelsOf(r), channel) {
				refuse(p, r)
				return
			}
			p.comply(r)
		}
		f.script = script{"private/subscribe": judge, "public/subscribe": judge}
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Second) }
		s := dial(t, cfg)
		kept := subscribe(t, s, session.SubscribeConfig{}, "ticker.A.100ms")
		f.last().close()
		synctest.Wait()
		var refused error
		var subscribing sync.WaitGroup
		subscribing.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, refused = s.Subscribe(ctx, session.SubscribeConfig{}, channel)
		})
		synctest.Wait()
		time.Sleep(time.Second + time.Millisecond) //nolint:forbidigo // virtual time
		if !s.Ready() || s.Stats().Epoch != 2 {
			t.Errorf("ready %t over connection %d", s.Ready(), s.Stats().Epoch)
		}
		f.last().notify("ticker.A.100ms", "1")
		subscribing.Wait()
		if !isA[*rpc.Error](refused) {
			t.Errorf("Subscribe: %v, want the refusal", refused)
		}
		synctest.Wait()
		wantEntries(t, waiting(t, kept), "reconnect/0 1")
		if n := s.Stats(); n.Epoch != 2 || n.Channels != 1 || f.count("public/auth") > 3 {
			t.Errorf("%d connections, %d channels, %d authentications", n.Epoch, n.Channels, f.count("public/auth"))
		}
	})
}

// TestResumeWithoutAuthority is a connection that loses its authority again and again, as two programs cause that use one name: no
// channel is taken for refused.
func TestResumeWithoutAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		judge := func(p *peer, r request) {
			if p.number > 1 && p.number < 4 {
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.comply(r)
		}
		f.script = script{"private/subscribe": judge, codProbe: judge}
		s := dial(t, unbeaten(f))
		sub := subscribe(t, s, session.SubscribeConfig{}, allowed, "user.lock", "ticker.A")
		f.last().close()
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		if n := s.Stats(); !s.Ready() || n.Epoch != 4 || len(sub.Channels()) != 3 {
			t.Errorf("ready %t over connection %d, %q are left (%v)", s.Ready(), n.Epoch, sub.Channels(), sub.Err())
		}
	})
}

// TestChannelThatTheProbeFindsRefused for want of authority, though the connection has it: it ends, the others go on, and nobody
// authenticates for it again and again.
func TestChannelThatTheProbeFindsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isRefused atomic.Bool
		f := newFar(t, script{"private/subscribe": func(p *peer, r request) {
			if isRefused.Load() && slices.Contains(channelsOf(r), forbidden) {
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.comply(r)
		}})
		s := dial(t, unbeaten(f))
		kept, lost := subscribe(t, s, session.SubscribeConfig{}, allowed), subscribe(t, s, session.SubscribeConfig{}, forbidden)
		isRefused.Store(true)
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		if !isA[*rpc.Error](lost.Err()) || kept.Err() != nil || f.count("public/auth") != 2 {
			t.Errorf("ended with %v and %v, want the refusal and nil; %d authentications", lost.Err(), kept.Err(), f.count("public/auth"))
		}
	})
}
