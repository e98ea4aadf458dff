package session_test

import (
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	probeMethod = "private/subscribe"
	codProbe    = "private/get_cancel_on_disconnect"
	orders      = "user.orders.BTC-PERPETUAL.raw"
)

// evictable is an exchange that ends the authority of a connection without a word: channels are silent from then on.
func evictable(t *testing.T) (f *far, evict func()) {
	t.Helper()
	var evicted atomic.Bool
	f = newFar(t, nil)
	f.script = script{
		"public/auth": func(p *peer, r request) {
			evicted.Store(false)
			p.comply(r)
		},
		probeMethod: func(p *peer, r request) {
			if evicted.Load() {
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.comply(r)
		},
	}
	return f, func() { evicted.Store(true) }
}

// unbeaten is the Config of a session whose far end sends no heartbeats for as long as the test takes.
func unbeaten(f *far) session.Config {
	cfg := scripted(f)
	cfg.Heartbeat = -1
	return cfg
}

// TestSilentPrivateChannelsAreProbed evicts a session whose connection lives on: within two minutes it has authenticated and
// subscribed again what needs that, and told once, in place, those whom it concerns.
// Asks: go-deribit#21, viem#3771, pod-sdk#261, go-ethereum#23845, core-geth#289, redisson#7052, kombu#2509.
func TestSilentPrivateChannelsAreProbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, evict := evictable(t)
		s := dial(t, unbeaten(f))
		private, public := subscribe(t, s, session.SubscribeConfig{}, orders, "ticker.A"), subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		f.last().notify(orders, "1")
		evict()
		time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
		f.last().notify(orders, "2")
		f.last().notify("ticker.A", "3")
		for i, want := range []string{"1", "gap", "2", "3"} {
			n, err := receive(t, private)
			if gap, marked := errors.AsType[*session.GapError](err); marked && gap.Reason == session.GapResumed {
				n.Data = []byte("gap")
			}
			if string(n.Data) != want {
				t.Errorf("entry %d is %q, %v, want %q", i, n.Data, err, want)
			}
		}
		if n, err := receive(t, public); err != nil || string(n.Data) != "3" {
			t.Errorf("the public subscription was given %q, %v", n.Data, err)
		}
		if n := f.count(probeMethod); n != 3 || f.count("public/auth") != 2 || s.Stats().Epoch != 1 { // the first, the probe, and the reclaim
			t.Errorf("%d private/subscribe, %d authentications over %d connections", n, f.count("public/auth"), s.Stats().Epoch)
		}
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		if n := f.count("public/auth"); n != 2 {
			t.Errorf("%d authentications of a session that has its authority", n)
		}
	})
}

// TestProbesAreFew counts them: none while notifications come or nothing private is subscribed to, and a refusal that says nothing of
// the channels is an answer.
func TestProbesAreFew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		channel   string
		anonymous bool
		notified  bool
		refusal   int
		want      int // probes in ten minutes, to one more
	}{
		"silent":        {channel: orders, want: 9},
		"silent raw":    {channel: "trades.BTC-PERPETUAL.raw", want: 9},
		"unavailable":   {channel: orders, want: 9, refusal: int(session.CodeUnavailable)},
		"in use":        {channel: orders, notified: true},
		"public":        {channel: "ticker.A"},
		"no channel":    {},
		"no key":        {channel: "trades.BTC-PERPETUAL.raw", anonymous: true},
		"notifications": {channel: "ticker.A", notified: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var subscribed atomic.Bool
				f := newFar(t, script{probeMethod: func(p *peer, r request) {
					if c.refusal != 0 && subscribed.Load() {
						p.refuse(r, c.refusal, "no")
						return
					}
					p.comply(r)
				}})
				cfg, logins := unbeaten(f), 1
				if c.anonymous {
					cfg.Credentials, logins = nil, 0
				}
				s := dial(t, cfg)
				if c.channel != "" {
					subscribe(t, s, session.SubscribeConfig{}, c.channel)
				}
				before := f.count(probeMethod)
				subscribed.Store(true)
				for i := range 60 {
					time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
					if c.notified {
						f.last().notify(c.channel, strconv.Itoa(i))
					}
				}
				n := f.count(probeMethod) - before
				if n < c.want || n > c.want+1 || f.count("public/auth") != logins || f.count(codProbe) != 0 {
					t.Errorf("%d probes, want %d; %d authentications", n, c.want, f.count("public/auth"))
				}
			})
		})
	}
}

// TestProbesDoNotPileUp has none answered.
func TestProbesDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mute atomic.Bool
		f := newFar(t, script{probeMethod: func(p *peer, r request) {
			if !mute.Load() {
				p.comply(r)
			}
		}})
		cfg := unbeaten(f)
		cfg.CallTimeout = 10 * time.Minute
		s := dial(t, cfg)
		subscribe(t, s, session.SubscribeConfig{}, orders)
		mute.Store(true)
		time.Sleep(9 * time.Minute)                          //nolint:forbidigo // virtual time
		if n := f.count(probeMethod); n != 2 || !s.Ready() { // the first subscribed
			t.Errorf("%d probes under way, ready %t", n-1, s.Ready())
		}
	})
}

// TestCancelOnDisconnectIsKeptOn has the exchange forget the setting later.
func TestCancelOnDisconnectIsKeptOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var on atomic.Bool
		f := newFar(t, script{
			"private/enable_cancel_on_disconnect": func(p *peer, r request) {
				on.Store(true)
				p.answer(r, "ok")
			},
			codProbe: func(p *peer, r request) {
				p.answer(r, map[string]any{"scope": "connection", "enabled": on.Load()})
			},
		})
		cfg := unbeaten(f)
		cfg.CancelOnDisconnect = true
		s := dial(t, cfg)
		on.Store(false)
		time.Sleep(61 * time.Second) //nolint:forbidigo // virtual time
		if !on.Load() || s.Stats().Epoch != 1 {
			t.Errorf("on: %t, over %d connections", on.Load(), s.Stats().Epoch)
		}
	})
}

// TestChannelsSurviveARenewal has the exchange drop the private channels at each authentication without a word: they are
// subscribed again each time that a token is renewed, and told once that they may have missed something.
// Asks: redisson#7052, kombu#2509.
func TestChannelsSurviveARenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, ReauthDropsPrivate: true})
		cfg.Scope = "account:read trade:read_write expires:60"
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, orders)
		gaps := uint64(0)
		for i := range 60 {
			time.Sleep(10*time.Second + 7*time.Millisecond) //nolint:forbidigo // virtual time
			label := strconv.Itoa(i)
			if err := s.Call(t.Context(), "private/buy", order(label), nil); err != nil {
				t.Fatal(err)
			}
			n, err := receive(t, sub)
			if gap, ok := errors.AsType[*session.GapError](err); ok && gap.Reason == session.GapResumed {
				gaps++
				n, err = receive(t, sub)
			}
			if err != nil {
				t.Fatalf("order %d: %q, %v", i, n.Data, err)
			}
		}
		if n := server.Stats().Authentications; n < 10 || gaps != n-1 {
			t.Errorf("%d authentications in ten minutes of tokens that live for one, %d gaps", n, gaps)
		}
	})
}

// TestReclaimTellsOfRefusedChannels takes a channel away while the session was without authority: its subscription ends with
// the reason, and another one's goes on.
func TestReclaimTellsOfRefusedChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, evict := evictable(t)
		authorised := f.script[probeMethod]
		f.script[probeMethod] = func(p *peer, r request) {
			if f.count("public/auth") == 1 {
				authorised(p, r)
				return
			}
			p.answer(r, slices.DeleteFunc(channelsOf(r), func(n string) bool { return n == "user.lock" }))
		}
		s := dial(t, unbeaten(f))
		kept, lost := subscribe(t, s, session.SubscribeConfig{}, orders), subscribe(t, s, session.SubscribeConfig{}, "user.lock")
		evict()
		time.Sleep(2*time.Minute + time.Second) //nolint:forbidigo // virtual time
		if !isA[*session.SubscribeError](lost.Err()) || kept.Err() != nil {
			t.Errorf("ended with %v and %v, want a SubscribeError and nil", lost.Err(), kept.Err())
		}
	})
}

// TestExchangeThatListsWhatIsNewAlone leaves out of its answers what is subscribed to already: no channel that lives is taken for refused,
// whether its token is renewed or it is quiet, and whether or not another one in the frame is refused by then.
func TestExchangeThatListsWhatIsNewAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lifetime int64 // of tokens, in seconds
		forbids  bool
		lacks    bool // a call is refused for want of authority
	}{
		"renewals": {60, false, false}, "renewals and a refusal": {60, true, false},
		"quiet": {31536000, false, false}, "quiet and a refusal": {31536000, true, false},
		"a refused call": {31536000, false, true}, "a refused call and a refusal": {31536000, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var taken atomic.Bool
				has := map[string]bool{}
				f := newFar(t, script{
					"public/auth": func(p *peer, r request) { p.grant(r, c.lifetime) },
					"private/buy": refusing(int(session.CodeUnauthorized), "unauthorized"),
					"private/unsubscribe": func(p *peer, r request) {
						for _, n := range channelsOf(r) {
							delete(has, n)
						}
						p.comply(r)
					},
					probeMethod: func(p *peer, r request) {
						if taken.Load() && slices.Contains(channelsOf(r), "user.lock") {
							p.refuse(r, int(session.CodeForbidden), "forbidden")
							return
						}
						fresh := slices.DeleteFunc(channelsOf(r), func(n string) bool { return has[n] })
						for _, n := range fresh {
							has[n] = true
						}
						p.answer(r, fresh)
					},
				})
				s := dial(t, unbeaten(f))
				kept, other := subscribe(t, s, session.SubscribeConfig{}, orders), subscribe(t, s, session.SubscribeConfig{}, "user.lock")
				taken.Store(c.forbids)
				before := f.count(probeMethod)
				if c.lacks {
					if err := s.Call(t.Context(), "private/buy", labelled("bad token"), nil); !rpc.SafeToRetry(err) {
						t.Errorf("the call: %v", err)
					}
				}
				time.Sleep(3 * time.Minute) //nolint:forbidigo // virtual time
				if kept.Err() != nil || isA[*session.SubscribeError](other.Err()) != c.forbids {
					t.Errorf("ended with %v and %v", kept.Err(), other.Err())
				}
				if n := f.count(probeMethod) - before; n < 2 || c.lifetime == 60 && f.count("public/auth") < 3 {
					t.Errorf("asked %d times, %d authentications", n, f.count("public/auth"))
				}
			})
		})
	}
}
