package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// slowly answers a request after d.
func slowly(d time.Duration) func(*peer, request) {
	return func(p *peer, r request) {
		select {
		case <-time.After(d):
			p.comply(r)
		case <-p.closed:
		}
	}
}

// TestReconnectJoins has many ask for a reconnect while one is under way: it is theirs too.
func TestReconnectJoins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/auth": slowly(time.Second)})
		watch := &recorder{}
		cfg := scripted(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 200 * time.Millisecond) //nolint:forbidigo // virtual time
				if i > 4 {
					return // the new connection is ready after 1 s
				}
				if err := s.Reconnect(t.Context()); err != nil || !s.Ready() {
					t.Errorf("Reconnect %d: %v, ready %t", i, err, s.Ready())
				}
			})
		}
		wg.Wait()
		if n := s.Stats().Epoch; n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		watch.check(t)
	})
}

// TestReconnectReturnsOnTheNewConnection: what the caller does next must not meet the old one.
func TestReconnectReturnsOnTheNewConnection(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	s := dial(t, scripted(f))
	for range 200 {
		before := s.Stats().Epoch
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := s.Stats(); after.Epoch != before+1 {
			t.Fatalf("Reconnect returned on connection %d, and the one before was %d", after.Epoch, before)
		}
	}
}

// TestRefusedRenewalDoesNotHammer: the secret was reset elsewhere, and nobody told the session.
func TestRefusedRenewalDoesNotHammer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		auths := 0
		f.script = script{"public/auth": func(p *peer, r request) {
			if auths++; auths > 1 {
				p.refuse(r, int(session.CodeInvalidCredentials), "invalid_credentials")
				return
			}
			p.grant(r, 60)
		}}
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		synctest.Wait()
		if !s.Ready() || auths < 2 || auths > 21 {
			t.Errorf("ready %t after %d authentications in an hour, of which one could succeed", s.Ready(), auths)
		}
	})
}

// TestRefusedSecretIsNotTriedForEachCall: a secret that the exchange has refused is no better for the next call.
func TestRefusedSecretIsNotTriedForEachCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		l.reset("another")
		for range 3600 {
			if err := s.Call(t.Context(), "private/buy", labelled("a"), nil); !isRefusedCall(err) {
				t.Fatalf("Call: %v, want its refusal and why it could not be mended", err)
			}
			time.Sleep(time.Second) //nolint:forbidigo // virtual time
		}
		if n := len(l.authentications()); n > 21 {
			t.Errorf("%d authentications in an hour", n)
		}
	})
}

// TestFailedRenewalIsTriedAgain: a failure that passes must not leave a session without authority that nobody calls.
// Asks: franz-go#249.
func TestFailedRenewalIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		auths := 0
		f.script = script{"public/auth": func(p *peer, r request) {
			if auths++; auths > 1 && auths < 5 {
				p.refuse(r, int(session.CodeRetry), "retry")
				return
			}
			p.grant(r, 3600)
		}}
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		synctest.Wait()
		if left := time.Until(s.Stats().TokenExpires); auths != 5 || left < time.Minute {
			t.Errorf("after %d authentications the token has %v left", auths, left)
		}
	})
}

// TestRefusedCallIsSentAgainThoughMoreFails: the session is authenticated again, and only what follows that fails.
func TestRefusedCallIsSentAgainThoughMoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		cods := 0
		f.script["private/enable_cancel_on_disconnect"] = func(p *peer, r request) {
			if cods++; cods == 2 {
				p.refuse(r, int(session.CodeRetry), "retry")
				return
			}
			p.answer(r, "ok")
		}
		cfg := scripted(f)
		cfg.CancelOnDisconnect, cfg.SubscriptionsSurvive = true, true
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, "user.lock")
		l.revoke()
		if err := s.Call(t.Context(), "private/buy", labelled("one"), nil); err != nil {
			t.Errorf("Call: %v", err)
		}
		l.wantOnce(t, 1)
		if got := toldOf(t, sub); !slices.Equal(got, []session.GapReason{session.GapResumed}) || f.count("private/subscribe") != 2 {
			t.Errorf("the channel was asked for %d times and its subscription told %v: the authority was lost", f.count("private/subscribe"), got)
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		if cods != 3 || len(l.authentications()) != 2 {
			t.Errorf("cancel on disconnect was set %d times, and %d logins: want it tried again, and alone", cods, len(l.authentications()))
		}
	})
}

// TestRenewalThatCannotBeConfigured renews tokens while the exchange refuses to set the heartbeat: it is tried again, and the login is
// not; the token that was renewed is renewed again in its time.
func TestRenewalThatCannotBeConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &grants{}
		f := newFar(t, script{"public/auth": g.auth})
		beats := 0
		f.script["public/set_heartbeat"] = func(p *peer, r request) {
			if beats++; beats > 1 {
				p.refuse(r, int(session.CodeRetry), "retry")
				return
			}
			p.comply(r)
		}
		cfg := scripted(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(5 * time.Second) }
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, "user.lock")
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		synctest.Wait()
		if n := len(g.all()); n < 10 || n > 13 || s.Stats().Epoch != 1 {
			t.Errorf("%d logins over %d connections in ten minutes of tokens of one, want about 11", n, s.Stats().Epoch)
		}
		if beats < 50 || beats > 80 || f.count("private/subscribe") < 10 || len(toldOf(t, sub)) == 0 { // jitter makes it 59 to 69
			t.Errorf("the heartbeat was tried %d times, the channel asked for %d times", beats, f.count("private/subscribe"))
		}
	})
}

// TestLimitIsRespectedThoughTheConnectionEnds: the exchange says that there are too many requests, and closes.
// Asks: ccxt#16055.
func TestLimitIsRespectedThoughTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			f := newFar(t, nil)
			var limited, next time.Time
			auths := 0
			f.script = script{"public/auth": func(p *peer, r request) {
				switch auths++; auths {
				case 2:
					limited = time.Now()
					p.refuse(r, int(session.CodeTooManyRequests), "too_many_requests")
					p.close()
					return
				case 3:
					next = time.Now()
				}
				p.comply(r)
			}}
			s := dial(t, scripted(f))
			f.last().close()
			time.Sleep(time.Minute) //nolint:forbidigo // virtual time
			synctest.Wait()
			if waited := next.Sub(limited); !s.Ready() || waited < 5*time.Second {
				t.Errorf("ready %t, the next authentication came %v after the limit", s.Ready(), waited)
			}
		})
	}
}

// TestClosedWhileResumingIsUnsubscribed: what nobody wants any more must not go on flowing.
func TestClosedWhileResumingIsUnsubscribed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		served := map[string]bool{} // by the newest connection; the script's goroutines take turns
		var mu sync.Mutex
		f.script = script{
			"public/subscribe": func(p *peer, r request) {
				if p.number == 2 {
					select {
					case <-time.After(time.Second):
					case <-p.closed:
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if p == f.last() {
					for _, c := range channelsOf(r) {
						served[c] = true
					}
				}
				p.comply(r)
			},
			"public/unsubscribe": func(p *peer, r request) {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range channelsOf(r) {
					delete(served, c)
				}
				p.comply(r)
			},
		}
		s := dial(t, scripted(f))
		kept, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.kept.100ms")
		if err != nil {
			t.Fatal(err)
		}
		gone, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.gone.100ms")
		if err != nil {
			t.Fatal(err)
		}
		f.last().close()
		time.Sleep(500 * time.Millisecond) //nolint:forbidigo // virtual time: the session is resuming
		if s.State() != session.Resuming {
			t.Fatalf("state %v", s.State())
		}
		if err := gone.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		mu.Lock()
		defer mu.Unlock()
		if !served["ticker.kept.100ms"] || served["ticker.gone.100ms"] || kept.Err() != nil {
			t.Errorf("the exchange serves %v, and the kept subscription says %v", served, kept.Err())
		}
	})
}

// TestVerifyDoesNotUndoAClose: a subscription that is closed while the session verifies what it has stays closed.
func TestVerifyDoesNotUndoAClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		var last []string // of what was asked about the channel
		note := func(p *peer, r request) {
			for _, c := range channelsOf(r) {
				if c == "user.orders.gone.raw" {
					last = append(last, r.Method)
				}
			}
			p.comply(r)
		}
		f.script = script{"private/subscribe": note, "private/unsubscribe": note}
		s := dial(t, scripted(f))
		sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "user.orders.gone.raw")
		if err != nil {
			t.Fatal(err)
		}
		// Without credits VerifySubscriptions waits before it asks.
		for i := range 8 {
			if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, fmt.Sprintf("ticker.%d.100ms", i)); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.VerifySubscriptions(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := sub.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		synctest.Wait()
		if i := len(last) - 1; i < 0 || last[i] != "private/unsubscribe" {
			t.Errorf("the exchange was asked for %q", last)
		}
	})
}

// TestConfirmationIsOfTheNewestConnection: one that comes late, from a caller that was slow, must not hide a newer one.
func TestConfirmationIsOfTheNewestConnection(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	sub := add(t, r, "a")
	r.Confirm(2, "a")
	r.Confirm(1, "a")
	if names := r.Unconfirmed(2); len(names) > 0 {
		t.Errorf("unconfirmed on connection 2: %q", names)
	}
	r.Lost(2)
	wantEntries(t, buffered(t, sub), "reconnect/0")
}

// TestBucketTakesNothingFromWhoLeaves: callers that give up must not make those wait who come later.
func TestBucketTakesNothingFromWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := session.NewBucket(1, time.Second)
		counted, err := b.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		counted(time.Now())
		ended, end := context.WithCancel(t.Context())
		end()
		for range 1000 {
			if _, err := b.Wait(ended); !errors.Is(err, context.Canceled) {
				t.Fatalf("Wait = %v", err)
			}
		}
		start := time.Now()
		if _, err := b.Wait(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("Wait: %v after %v", err, time.Since(start))
		}
	})
}

// TestRingMarkerNamesAllThatIsLost: a marker that takes others in must not seem to be about one channel when it is not.
func TestRingMarkerNamesAllThatIsLost(t *testing.T) {
	t.Parallel()
	x, all := &session.GapError{Reason: session.GapSequence, Channel: "x"}, &session.GapError{Reason: session.GapReconnect}
	for name, c := range map[string]struct {
		fill   func(r *session.Ring, x, y *session.RingChannel)
		want   string // the marker's channel
		reason session.GapReason
	}{
		"of one channel": {func(r *session.Ring, cx, _ *session.RingChannel) {
			r.Gap(x)
			cx.Push(1, []byte("1"))
			cx.Push(1, []byte("2"))
		}, "x", session.GapSequence},
		"then another's notification": {func(r *session.Ring, _, cy *session.RingChannel) {
			r.Gap(x)
			cy.Push(1, []byte("1"))
			cy.Push(1, []byte("2"))
		}, "", session.GapSequence},
		"after another's notification": {func(r *session.Ring, _, cy *session.RingChannel) {
			cy.Push(1, []byte("1"))
			r.Gap(x)
			cy.Push(1, []byte("2"))
		}, "", session.GapSequence},
		"after a reconnect": {func(r *session.Ring, cx, _ *session.RingChannel) {
			r.Gap(all)
			r.Gap(x)
			cx.Push(1, []byte("2"))
		}, "", session.GapReconnect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := session.NewRing(session.DropOldest, 2, 1000)
			cx, cy := r.Channel("x"), r.Channel("y")
			c.fill(r, cx, cy)
			cy.Push(1, []byte("3"))
			_, err, _ := r.Take(t.Context())
			gap, ok := errors.AsType[*session.GapError](err)
			if !ok || gap.Channel != c.want || gap.Reason != c.reason {
				t.Errorf("the marker is %+v, want one of %q about %q", gap, c.reason, c.want)
			}
		})
	}
}

// TestRingKeepsNoMoreThanItsBytes: the memory that is kept for the next notifications is bounded as those are.
func TestRingKeepsNoMoreThanItsBytes(t *testing.T) {
	t.Parallel()
	const entries, limit = 64, 1 << 16
	r := session.NewRing(session.DropOldest, entries, limit)
	c, data := r.Channel("c"), bytes.Repeat([]byte("x"), limit)
	for range entries {
		c.Push(1, data)
		c.Push(1, data) // in the place of the last
		wantEntries(t, drain(t, r), "overflow/1 "+string(data))
	}
	if kept := r.Kept(); kept > 3*limit {
		t.Errorf("a ring of %d bytes keeps %d", limit, kept)
	}
}
