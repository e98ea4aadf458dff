package session_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestResumeThatFails has the resume fail in a row for reasons that pass: no subscription is given up, each loss has its
// marker, and all goes on.
// Asks: polkadot-js/api#3538, home-assistant/android#6317.
func TestResumeThatFails(t *testing.T) {
	t.Parallel()
	const failures = 3
	for name, c := range map[string]struct {
		fails func(*peer, request)
		gaps  int // one for each loss of a connection that had served the subscription
	}{
		"the link fails again": {func(p *peer, _ request) { p.close() }, 1},
		"it fails halfway": {func(p *peer, r request) {
			if r.Method == "private/subscribe" {
				p.comply(r)
				return
			}
			p.close()
		}, 1 + failures},
		"no answer":         {silent, 1},
		"retry":             {refusing(int(session.CodeRetry), "retry"), 1},
		"maintenance":       {refusing(int(session.CodeMaintenance), "system_maintenance"), 1},
		"too many requests": {refusing(int(session.CodeTooManyRequests), "too_many_requests"), 1},
		"unavailable":       {refusing(int(session.CodeUnavailable), "temporarily_unavailable"), 1},
		"internal error":    {refusing(int(rpc.CodeInternal), "internal_server_error"), 1},
		"error":             {refusing(10001, "error"), 1},
		"internal failure":  {refusing(11094, "internal_server_error"), 1},
		"not available":     {refusing(13503, "unavailable"), 1},
		"public calls":      {refusing(int(session.CodeUnauthenticatedPublic), "unauthenticated_public_requests_temporarily_disabled"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				passing := func(p *peer, r request) {
					if p.number > 1 && p.number <= 1+failures {
						c.fails(p, r)
						return
					}
					p.comply(r)
				}
				f.script = script{"public/subscribe": passing, "private/subscribe": passing}
				s := dial(t, unbeaten(f))
				sub := subscribe(t, s, session.SubscribeConfig{}, orders, "user.lock", "ticker.A", "ticker.B")
				f.last().notify(orders, "1")
				f.last().notify("ticker.A", "2")
				synctest.Wait()
				f.last().close()
				time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
				if !s.Ready() || s.Stats().Epoch <= failures || len(sub.Channels()) != 4 {
					t.Fatalf("ready %t over connection %d, %q are left (%v)", s.Ready(), s.Stats().Epoch, sub.Channels(), sub.Err())
				}
				f.last().notify(orders, "3")
				f.last().notify("ticker.B", "4")
				synctest.Wait()
				wantEntries(t, waiting(t, sub), "1 2 "+strings.Repeat("reconnect/0 ", c.gaps)+"3 4")
			})
		})
	}
}

// TestExchangeThatServesSoManyChannels ignores those beyond a number without an error, as it is subscribed and when it resumes: who
// asked for them is told which they are, and the others go on.
// Asks: ShoonyaApi-py#217.
func TestExchangeThatServesSoManyChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		served := map[*peer][]string{} // by connection
		most := 100
		f.script = script{"public/subscribe": func(p *peer, r request) {
			var accepted []string
			for _, name := range channelsOf(r) {
				if len(served[p]) < most {
					served[p], accepted = append(served[p], name), append(accepted, name)
				}
			}
			p.answer(r, accepted)
		}}
		s := dial(t, unbeaten(f))
		var names []string
		for i := range 120 {
			names = append(names, fmt.Sprintf("ticker.%03d", i))
		}
		kept := subscribe(t, s, session.SubscribeConfig{}, names[:99]...)
		_, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, names[99:]...)
		if refused, ok := errors.AsType[*session.SubscribeError](err); !ok || !slices.Equal(refused.Refused, names[100:]) {
			t.Errorf("%v, want a SubscribeError with %q", err, names[100:])
		}
		most = 60
		f.last().close()
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		var refused []string
		for _, err := range kept.Notifications(t.Context()) {
			told, ok := errors.AsType[*session.SubscribeError](err)
			if !ok {
				break
			}
			refused = append(refused, told.Refused...)
		}
		slices.Sort(refused)
		if !s.Ready() || !slices.Equal(refused, names[60:99]) || !slices.Equal(kept.Channels(), names[:60]) {
			t.Errorf("ready %t, %d channels are left, refused are %q", s.Ready(), len(kept.Channels()), refused)
		}
	})
}

// TestTooManyRequestsWithoutCredentials is the limit of a session that has no key: it is told as the reason, no other connection is
// opened until there are credits again, and channels come back.
// Asks: ccxt#16055.
func TestTooManyRequestsWithoutCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, script{"public/get_instruments": func(p *peer, r request) {
			p.refuse(r, int(session.CodeTooManyRequests), "too_many_requests")
			p.close()
		}}), &reasons{}
		cfg := unbeaten(f)
		cfg.Credentials, cfg.Observer = nil, watch
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		start := time.Now()
		err := s.Call(t.Context(), "public/get_instruments", nil, nil)
		if refusal, ok := errors.AsType[*rpc.Error](err); !ok || refusal.Code != session.CodeTooManyRequests || !rpc.SafeToRetry(err) {
			t.Errorf("%v, want the refusal", err)
		}
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second || f.count("public/auth") != 0 {
			t.Errorf("ready again after %v with %d authentications, want five seconds and none", took, f.count("public/auth"))
		}
		if err := watch.of(session.Backoff); !errors.Is(err, session.ErrRateLimited) {
			t.Errorf("the reason given is %v, want ErrRateLimited", err)
		}
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "reconnect/0 1")
	})
}

// TestLossOfAllAtOnce cuts 64 sessions in one instant: they do not come back in one instant.
// Asks: teleport#6889.
func TestLossOfAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const sessions, most = 64, 32
		const window = 10 * time.Millisecond // the first waits are spread over 100
		f := newFar(t, nil)
		for range sessions {
			cfg := unbeaten(f)
			cfg.NewBackoff = nil
			dial(t, cfg)
		}
		var mu sync.Mutex
		var waits []time.Duration
		lost := time.Now()
		f.refuse = func(int) error {
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(lost))
			return nil
		}
		for _, p := range f.all() {
			p.close()
		}
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(waits)
		if len(waits) != sessions {
			t.Fatalf("%d attempts in a second, want one of each session", len(waits))
		}
		for i := range len(waits) - most {
			if within := waits[i+most] - waits[i]; within < window {
				t.Errorf("%d of %d sessions came back within %v", most+1, sessions, within)
			}
		}
	})
}

// TestCallersSecretIsLeftAlone has two sessions use one Secret, which frames carry: neither the end of one nor what is wiped takes it
// from the other, whose every connection needs it.
// Asks: amqp091-go#387, amqp091-go#388, amqp091-go#389, amqp091-go#394, telegraf#19571, opentelemetry-collector-contrib#51118.
func TestCallersSecretIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, grant := range map[string]session.Grant{"credentials": session.GrantCredentials, "signature": session.GrantSignature} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const losses = 3
				server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
				cfg.Grant = grant
				other, err := session.Dial(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				s := dial(t, cfg)
				if err := other.Close(t.Context()); err != nil {
					t.Error(err)
				}
				for loss := range losses {
					server.CutConnections()
					synctest.Wait()
					if err := s.WaitReady(t.Context()); err != nil {
						t.Fatalf("after loss %d: %v", loss+1, err)
					}
				}
				if stats := server.Stats(); stats.Authentications != 2+losses || s.Stats().Epoch != 1+losses {
					t.Errorf("%d authentications, connection %d", stats.Authentications, s.Stats().Epoch)
				}
			})
		})
	}
}
