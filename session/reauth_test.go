package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestReauthenticateIsOneFlight has 64 callers want it while the source is shut: one authentication serves all.
// Asks: ccxt#22761, ccxt#18921.
func TestReauthenticateIsOneFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring, watch := newKeyring(), &recorder{}
		cfg := scripted(f)
		cfg.Credentials, cfg.Observer = ring, watch
		s := dial(t, cfg)
		open := ring.shut()
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != 2 {
					t.Errorf("%v, generation %d", err, s.Generation())
				}
			})
		}
		synctest.Wait()
		ring.publish(2)
		open()
		wg.Wait()
		if got := l.authentications(); !slices.Equal(got, []string{"g1", "g2"}) {
			t.Errorf("authentications: %q", got)
		}
		if s.State() != session.Ready || watch.states() != "connecting authenticating resuming ready" {
			t.Errorf("states: %s", watch.states())
		}
	})
}

// TestReauthenticateIsFresh has a caller come when an authentication under way has its credentials already: what was
// published since must be used before it returns.
// Asks: go-redis#4027.
func TestReauthenticateIsFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		hold := make(chan struct{})
		var auths int
		f.script["public/auth"] = func(p *peer, r request) {
			if auths++; auths == 2 {
				<-hold
			}
			l.auth(p, r)
		}
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		var wg sync.WaitGroup
		reauthenticate := func(want uint64) {
			if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() < want {
				t.Errorf("%v, generation %d, want %d", err, s.Generation(), want)
			}
		}
		wg.Go(func() { reauthenticate(1) })
		synctest.Wait()
		ring.publish(2)
		wg.Go(func() { reauthenticate(2) })
		synctest.Wait()
		close(hold)
		wg.Wait()
		if got := l.authentications(); !slices.Equal(got, []string{"g1", "g1", "g2"}) {
			t.Errorf("authentications: %q", got)
		}
	})
}

// TestI8GenerationsOnlyRise publishes generations as fast as callers re-authenticate and connections break.
// Asks: rueidis#1007, livekit/protocol#1626, amqp091-go#107, nats.py#1019, decocms/studio#4156, openclaw#77551,
// aws-sdk-js-v3#5731.
func TestI8GenerationsOnlyRise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		var wg sync.WaitGroup
		wg.Go(func() {
			for g := uint64(2); g <= 9; g++ {
				ring.publish(g)
				time.Sleep(10 * time.Millisecond) //nolint:forbidigo // virtual time
			}
		})
		wg.Go(func() {
			for range 5 {
				time.Sleep(13 * time.Millisecond) //nolint:forbidigo // virtual time
				f.last().close()
			}
		})
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if err := s.Reauthenticate(t.Context()); err != nil {
						t.Errorf("%v", err)
					}
					time.Sleep(3 * time.Millisecond) //nolint:forbidigo // virtual time
				}
			})
		}
		wg.Wait()
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Errorf("%v", err)
		}
		used := l.authentications()
		if !slices.IsSorted(used) || used[len(used)-1] != "g9" || s.Generation() != 9 {
			t.Errorf("authentications: %q", used)
		}
	})
}

// TestOldSecretThatIsRefusedIsNotTheEnd resets the secret while the source still has the old one: the refusal makes the
// session ask again, and the source keeps it waiting for the new one.
// Asks: nats.go#499, nats.go#1552, nex#521.
func TestOldSecretThatIsRefusedIsNotTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		asked := 0
		cfg := scripted(f)
		ring := newKeyring()
		cfg.Credentials = sourceFunc(func(ctx context.Context) (session.Credentials, error) {
			if asked++; asked == 3 { // after the refusal of the second authentication
				ring.publish(2)
			}
			return ring.Credentials(ctx)
		})
		s := dial(t, cfg)
		l.reset("g2")
		if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != 2 {
			t.Errorf("%v, generation %d", err, s.Generation())
		}
		if got := l.authentications(); !slices.Equal(got, []string{"g1", "g1", "g2"}) {
			t.Errorf("authentications: %q", got)
		}
	})
}

// TestReauthenticateThatIsRefusedLeavesTheSession keeps the connection and its subscriptions when the key is refused.
func TestReauthenticateThatIsRefusedLeavesTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		s := dial(t, scripted(f))
		l.reset("another")
		err := s.Reauthenticate(t.Context())
		if !isRefused(session.CodeInvalidCredentials)(err) || len(sightings(err.Error(), canary)) > 0 {
			t.Errorf("%v, want an AuthError with 13004", err)
		}
		if !s.Ready() || s.Stats().Epoch != 1 {
			t.Errorf("ready %t, epoch %d", s.Ready(), s.Stats().Epoch)
		}
		if err := s.Call(t.Context(), "private/buy", labelled("a"), nil); !isRefusedCall(err) {
			t.Errorf("a call: %v, want its own refusal, and why it could not be mended", err)
		}
		l.wantOnce(t, 0)
	})
}

// isRefusedCall reports whether err is a call's refusal for want of authority, with the AuthError that explains it.
func isRefusedCall(err error) bool { return err != nil && isA[*session.AuthError](err) }

func TestReauthenticateWhileReconnecting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		cfg.NewBackoff = func() session.Backoffer { return constantly(time.Minute) }
		s := dial(t, cfg)
		f.last().close()
		synctest.Wait()
		ring.publish(2)
		if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != 2 || s.Stats().Epoch != 2 {
			t.Errorf("%v, generation %d, epoch %d", err, s.Generation(), s.Stats().Epoch)
		}

		f.last().close()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Reauthenticate(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want ctx's error", err)
		}
	})
}

// TestReauthenticateCtxBoundsTheWaitAlone lets a caller leave: the authentication goes on for the others.
func TestReauthenticateCtxBoundsTheWaitAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		open := ring.shut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Reauthenticate(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want ctx's error", err)
		}
		ring.publish(2)
		open()
		synctest.Wait()
		if got := l.authentications(); s.Generation() != 2 || !slices.Equal(got, []string{"g1", "g2"}) {
			t.Errorf("generation %d, authentications %q", s.Generation(), got)
		}
	})
}

func TestPublicSessionHasNothingToReauthenticate(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	cfg := scripted(f)
	cfg.Credentials = nil
	s := dial(t, cfg)
	if err := s.Reauthenticate(t.Context()); !errors.Is(err, session.ErrNoCredentials) {
		t.Errorf("Reauthenticate = %v", err)
	}
	if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "user.lock"); !errors.Is(err, session.ErrNoCredentials) {
		t.Errorf("Subscribe = %v", err)
	}
	if n := f.count("public/auth"); n != 0 {
		t.Errorf("%d authentications", n)
	}
}

// TestReauthenticateRestoresTheConnection sets what belongs to a connection again: no document says that it is kept.
func TestReauthenticateRestoresTheConnection(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	cfg := scripted(f)
	cfg.CancelOnDisconnect = true
	s := dial(t, cfg)
	if err := s.Reauthenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"public/auth", "public/set_heartbeat", "private/enable_cancel_on_disconnect", "private/get_cancel_on_disconnect"}
	if got := f.requests(1); !slices.Equal(got, append(want, want...)) {
		t.Errorf("requests = %q", got)
	}
}
