package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// toldOf are the gaps that a subscription has been told of so far.
func toldOf(t *testing.T, sub *session.Subscription) (reasons []session.GapReason) {
	t.Helper()
	synctest.Wait()
	for _, err := range session.Waiting(sub) {
		gap, ok := errors.AsType[*session.GapError](err)
		if err != nil && !ok {
			break
		}
		if ok {
			reasons = append(reasons, gap.Reason)
		}
	}
	return reasons
}

// TestVerifySubscriptionsMarks: the exchange's confirmation does not tell whether a channel has missed anything when the connection was
// authenticated again. So it is marked, once for each time, and only where nothing else tells: not a book, not a public channel, and
// nothing if the exchange is known to leave the channels alone.
func TestVerifySubscriptionsMarks(t *testing.T) {
	t.Parallel()
	verify := func(t *testing.T, s *session.Session, renewals int) {
		t.Helper()
		for range renewals {
			if err := s.Reauthenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.VerifySubscriptions(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name, survive := range map[string]bool{"not known": false, "known to survive": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
				cfg.SubscriptionsSurvive = survive
				s := dial(t, cfg)
				private := subscribe(t, s, session.SubscribeConfig{}, orders)
				others := subscribe(t, s, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "ticker.BTC-PERPETUAL.100ms")
				var want []session.GapReason
				for i, renewals := range []int{0, 1, 0, 2, 0} {
					verify(t, s, renewals)
					want = nil
					if renewals > 0 && !survive {
						want = []session.GapReason{session.GapResumed}
					}
					if got := toldOf(t, private); !slices.Equal(got, want) {
						t.Errorf("verification %d, after %d authentications: told %v, want %v", i, renewals, got, want)
					}
					if got := toldOf(t, others); len(got) > 0 {
						t.Errorf("verification %d: a book and a public channel told %v", i, got)
					}
				}
				counted := uint64(2)
				if survive {
					counted = 0
				}
				for _, c := range s.Channels() {
					if want := counted; (c.Channel == orders) && c.Gaps != want || c.Channel != orders && c.Gaps != 0 {
						t.Errorf("%s: %d gaps", c.Channel, c.Gaps)
					}
				}
			})
		})
	}
}

// TestNewConnectionIsMarkedOnce: a lost connection has its own marker, and what is verified over the next one needs none.
func TestNewConnectionIsMarkedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, orders)
		server.CutConnections()
		synctest.Wait()
		if _, err := s.VerifySubscriptions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := toldOf(t, sub); !slices.Equal(got, []session.GapReason{session.GapReconnect}) {
			t.Errorf("told %v", got)
		}
	})
}

// TestHandoverDoesNotHide: what an authentication may have cost the connection that is replaced is marked, though the next one takes its
// channels over without a break.
func TestHandoverDoesNotHide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, ReauthDropsPrivate: true})
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, orders)
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one replaces a connection that nothing was done to
			if err := s.Reconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.VerifySubscriptions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := toldOf(t, sub); !slices.Equal(got, []session.GapReason{session.GapResumed}) {
			t.Errorf("told %v", got)
		}
	})
}

// TestConnectionThatEndsBehindItsAuthentication: it was without authority for a time, and then is lost, without a notification between:
// one marker tells of both. A handler may have been told of the first by then, but of nothing of a connection that is lost.
func TestConnectionThatEndsBehindItsAuthentication(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			l, f := newLedger(t)
			configured := 0
			f.script["public/set_heartbeat"] = func(p *peer, r request) {
				p.answer(r, "ok")
				if configured++; configured == 2 {
					p.close()
				}
			}
			s := dial(t, scripted(f))
			var handled []string
			subscribe(t, s, session.SubscribeConfig{
				Handler: func(session.Notification) {}, OnGap: func(err error) { handled = append(handled, describe(session.Notification{}, err)) },
			}, "user.lock")
			sub := subscribe(t, s, session.SubscribeConfig{}, "user.lock")
			l.revoke()
			if err := s.Call(t.Context(), "private/buy", labelled("one"), nil); err != nil && !isA[*rpc.CallError](err) {
				t.Error(err)
			}
			if got := toldOf(t, sub); !slices.Equal(got, []session.GapReason{session.GapReconnect}) {
				t.Fatalf("told %v", got)
			}
			if got := strings.Join(handled, " "); got != "reconnect/0" && got != "resumed/0 reconnect/0" {
				t.Fatalf("the handler was told %s", got)
			}
		})
	}
}

// TestAuthorityLostBesideAHandover: the connection that is replaced has lost its authority, which a call finds out while the next one has yet to
// have the channels. What they told until then is missing, and is marked once.
func TestAuthorityLostBesideAHandover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		hold := make(chan struct{})
		f.script["private/subscribe"] = func(p *peer, r request) {
			if p.number == 2 {
				<-hold
			}
			p.comply(r)
		}
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{}, "user.lock")
		replaced := make(chan error, 1)
		go func() { replaced <- s.Reconnect(t.Context()) }()
		synctest.Wait()
		l.revoke()
		if err := s.Call(t.Context(), "private/buy", labelled("one"), nil); err != nil {
			t.Error(err)
		}
		close(hold)
		if err := <-replaced; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := toldOf(t, sub); s.Stats().Epoch != 2 || !slices.Equal(got, []session.GapReason{session.GapResumed}) {
			t.Errorf("told %v at epoch %d", got, s.Stats().Epoch)
		}
	})
}
