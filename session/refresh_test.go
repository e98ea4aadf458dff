package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestTokenIsRefreshedWhileTheSourceWaits has a rotation take ten minutes while tokens live for one: they live on without
// the key, no call fails, and the session has the new key when the source gives it.
func TestTokenIsRefreshedWhileTheSourceWaits(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"account:read expires:60", "session:desk account:read expires:60"} {
		synctest.Test(t, func(t *testing.T) {
			server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
			source := newKeyring()
			source.creds = cfg.Credentials.(session.Credentials)
			cfg.Credentials, cfg.Scope = source, scope
			s := dial(t, cfg)
			open := source.shut()
			for range 60 {
				time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
				if err := s.Call(t.Context(), "private/get_user_locks", nil, nil); err != nil {
					t.Fatalf("%s: %v", scope, err)
				}
			}
			if stats := server.Stats(); stats.Authentications < 10 || stats.AuthFailures != 0 || s.Stats().Resent != 0 {
				t.Errorf("%s: %d authentications, %d failed, %d calls resent",
					scope, stats.Authentications, stats.AuthFailures, s.Stats().Resent)
			}
			source.creds.Generation = 2
			open()
			if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != 2 {
				t.Errorf("%s: %v, generation %d", scope, err, s.Generation())
			}
		})
	}
}

// TestTokenIsRefreshedWhileOthersWaitForTheKey has a rotation take ten minutes while tokens live for one, and somebody who wants the key, or a
// call that is refused for want of scope, wait for it, before a renewal is due or as it begins: the token lives on all the same, by its
// refresh token alone, and who waits has the new key in the end.
func TestTokenIsRefreshedWhileOthersWaitForTheKey(t *testing.T) {
	t.Parallel()
	reauthenticate := func(ctx context.Context, s *session.Session) error { return s.Reauthenticate(ctx) }
	impatiently := func(ctx context.Context, s *session.Session) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.Reauthenticate(ctx); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil
	}
	for name, c := range map[string]struct {
		wait  func(ctx context.Context, s *session.Session) error
		later bool // once a renewal has asked the source
	}{
		"a Reauthenticate":                   {reauthenticate, false},
		"a Reauthenticate that has given up": {impatiently, false},
		"a Reauthenticate behind a renewal":  {reauthenticate, true},
		"a refused call": {func(ctx context.Context, s *session.Session) error {
			if err := s.Call(ctx, "private/buy", labelled("bad token"), nil); !rpc.SafeToRetry(err) {
				return err
			}
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, source := &grants{}, newKeyring()
				var until atomic.Int64 // authority ends then
				g.onAuth = func(*peer, request, string) bool {
					until.Store(time.Now().Add(time.Minute).UnixNano())
					return false
				}
				cfg := unbeaten(newFar(t, script{
					"public/auth": g.auth, "private/buy": refusing(int(session.CodeUnauthorized), "unauthorized"),
				}))
				cfg.Credentials = source
				s := dial(t, cfg)
				open := source.shut()
				if begun := source.asks(); c.later {
					for source.asks() == begun {
						time.Sleep(10 * time.Millisecond) //nolint:forbidigo // virtual time
					}
				}
				var waiting sync.WaitGroup
				waiting.Go(func() {
					if err := c.wait(t.Context(), s); err != nil {
						t.Errorf("who waited: %v", err)
					}
				})
				for range 600 {
					time.Sleep(time.Second) //nolint:forbidigo // virtual time
					synctest.Wait()
					if time.Now().UnixNano() > until.Load() {
						t.Errorf("the token has died; authentications %q", g.all())
						break
					}
				}
				if n := len(g.all()); n > 14 {
					t.Errorf("%d authentications in ten minutes of tokens of one", n)
				}
				source.publish(2)
				open()
				waiting.Wait()
				synctest.Wait()
				if s.Generation() != 2 {
					t.Errorf("generation %d after the source was opened, authentications %q", s.Generation(), g.all())
				}
			})
		})
	}
}

// grants is an exchange that writes down by which grants it was authenticated, as whom, and may refuse to refresh.
type grants struct {
	mu     sync.Mutex // protects the fields below
	lines  []string
	onAuth func(p *peer, r request, grant string) (done bool)
}

func (g *grants) auth(p *peer, r request) {
	var params struct {
		Grant string `json:"grant_type"`
		ID    string `json:"client_id"`
	}
	if err := json.Unmarshal(r.Params, &params); err != nil {
		p.far.t.Error(err)
	}
	g.mu.Lock()
	g.lines = append(g.lines, params.Grant+" "+params.ID)
	g.mu.Unlock()
	if g.onAuth == nil || !g.onAuth(p, r, params.Grant) {
		p.grant(r, 60)
	}
}

func (g *grants) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.lines)
}

const (
	signed    = "client_signature "
	refreshed = "refresh_token "
)

// TestRenewalUsesTheKey has the source change its mind between two authentications: a renewal has what it has now.
// Asks: rueidis#1007, livekit/protocol#1626, amqp091-go#107, nats.py#1019, decocms/studio#4156, openclaw#77551,
// aws-sdk-js-v3#5731.
func TestRenewalUsesTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, source := &grants{}, newKeyring()
		cfg := unbeaten(newFar(t, script{"public/auth": g.auth}))
		cfg.Credentials = source
		s := dial(t, cfg)
		source.publish(2)
		time.Sleep(59 * time.Second) //nolint:forbidigo // virtual time
		if got, want := g.all(), []string{signed + "g1", signed + "g2"}; !slices.Equal(got, want) || s.Generation() != 2 {
			t.Errorf("authentications %q at generation %d, want %q", got, s.Generation(), want)
		}
	})
}

// TestRefusedRefreshWaitsForTheKey has the exchange refuse to refresh, as it does when another client uses the session's name,
// or not answer: then the renewal waits for the source, and uses no token twice.
// Asks: nautilus_trader#3402.
func TestRefusedRefreshWaitsForTheKey(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*peer, request){
		"invalid params": refusing(int(rpc.CodeInvalidParams), "Invalid params"),
		"unauthorized":   refusing(int(session.CodeUnauthorized), "unauthorized"),
		"credentials":    refusing(int(session.CodeInvalidCredentials), "invalid_credentials"),
		"silent":         silent,
		"narrower": func(p *peer, r request) {
			p.answer(r, map[string]any{"access_token": "a", "refresh_token": "b", "expires_in": 60, "scope": "connection trade:read"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, source := &grants{}, newKeyring()
				g.onAuth = func(p *peer, r request, grant string) bool {
					if grant == "refresh_token" {
						act(p, r)
					}
					return grant == "refresh_token"
				}
				cfg := unbeaten(newFar(t, script{"public/auth": g.auth}))
				cfg.Credentials, cfg.Scope = source, "trade:read_write"
				s := dial(t, cfg)
				open := source.shut()
				time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
				source.publish(2)
				open()
				synctest.Wait()
				if got, want := g.all(), []string{signed + "g1", refreshed, signed + "g2"}; !slices.Equal(got, want) || s.Generation() != 2 {
					t.Errorf("authentications %q at generation %d, want %q", got, s.Generation(), want)
				}
			})
		})
	}
}

// TestRefusedRefreshIsTold has another client use the name of a session whose key is shut away: once for each connection the log
// says why the refresh token is dead.
// Asks: nautilus_trader#3402.
func TestRefusedRefreshIsTold(t *testing.T) {
	t.Parallel()
	const sharedName = "another client may use this session's name"
	synctest.Test(t, func(t *testing.T) {
		var told warnings
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		cfg.Scope = "session:desk account:read expires:60"
		other := dial(t, cfg)
		source := newKeyring()
		source.creds = cfg.Credentials.(session.Credentials)
		cfg.Credentials, cfg.Logger = source, told.logger()
		s := dial(t, cfg)
		collide := func() {
			open := source.shut()
			if err := other.Reauthenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(59 * time.Second) //nolint:forbidigo // virtual time: the renewal is due
			open()
			synctest.Wait()
		}
		for range 3 {
			collide()
		}
		if n := server.Stats().AuthFailures; n != 3 || told.count(sharedName) != 1 {
			t.Errorf("%d refusals, told %d times: %s", n, told.count(sharedName), told.log.String())
		}
		server.CutConnections()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := other.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		collide()
		if n := server.Stats().AuthFailures; n != 4 || told.count(sharedName) != 2 || s.Stats().Epoch != 2 {
			t.Errorf("%d refusals over %d connections, told %d times", n, s.Stats().Epoch, told.count(sharedName))
		}
	})
}

// TestDeadKeyLivesOnItsToken resets the secret elsewhere: what is authenticated stays so, for it may be all that can mend the key.
// The log says it loudly, the exchange sees few failures, and a new secret is taken up.
// Asks: XChange#4740, passivbot#1505, openalgo#2035, vault#28989, nats.go#499, nats.go#1552, nex#521.
func TestDeadKeyLivesOnItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		admin := dial(t, cfg)
		key := server.AddKey(deribittest.KeyConfig{})
		source := newKeyring()
		source.creds = credentials(key, 1)
		var lines bytes.Buffer
		cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelError}))
		cfg.Credentials, cfg.Scope = source, "account:read expires:60"
		s := dial(t, cfg)
		if err := admin.Call(t.Context(), "private/reset_api_key", map[string]int64{"id": key.ID}, nil); err != nil {
			t.Fatal(err)
		}
		for range 360 {
			time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
			if err := s.Call(t.Context(), "private/get_user_locks", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		failures := server.Stats().AuthFailures
		if failures < 5 || failures > 13 || s.Stats().Epoch != 1 {
			t.Errorf("%d failed authentications in an hour over %d connections, want one each five minutes over one", failures, s.Stats().Epoch)
		}
		if n := strings.Count(lines.String(), "check the client id and the secret"); n < 5 {
			t.Errorf("the log says it %d times in an hour", n)
		}
		now, _ := server.Key(key.ID)
		source.mu.Lock()
		source.creds = credentials(now, 2)
		source.mu.Unlock()
		time.Sleep(7 * time.Minute) //nolint:forbidigo // virtual time
		if s.Generation() != 2 || server.Stats().AuthFailures != failures {
			t.Errorf("generation %d after %d failures more", s.Generation(), server.Stats().AuthFailures-failures)
		}
	})
}

// TestReauthenticateIsNoRefresh wants the newest key while a renewal waits for the source, and while it refreshes: a refresh
// must not pass for that.
func TestReauthenticateIsNoRefresh(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]time.Duration{"waiting": 500 * time.Millisecond, "refreshing": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, source, hold := &grants{}, newKeyring(), make(chan struct{})
				g.onAuth = func(_ *peer, _ request, grant string) bool {
					if grant == "refresh_token" {
						<-hold
					}
					return false
				}
				cfg := unbeaten(newFar(t, script{"public/auth": g.auth}))
				cfg.Credentials = source
				s := dial(t, cfg)
				open := source.shut()
				begun := source.asks()
				for source.asks() == begun {
					time.Sleep(10 * time.Millisecond) //nolint:forbidigo // virtual time
				}
				time.Sleep(during) //nolint:forbidigo // virtual time
				done := make(chan error, 1)
				var wg sync.WaitGroup
				wg.Go(func() { done <- s.Reauthenticate(t.Context()) })
				time.Sleep(time.Second) //nolint:forbidigo // virtual time
				source.publish(2)
				open()
				synctest.Wait()
				close(hold)
				wg.Wait()
				if err := <-done; err != nil || s.Generation() != 2 || !slices.Contains(g.all(), signed+"g2") {
					t.Errorf("%v, authentications %q, want one with the newest key", err, g.all())
				}
			})
		})
	}
}

// TestRefusedCallGoesOnByARefresh has authority end while the key is away: who waits for it is content with what the refresh token brings.
func TestRefusedCallGoesOnByARefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, source := &grants{}, newKeyring()
		refuse := func(p *peer, r request) {
			if len(g.all()) < 2 {
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.comply(r)
		}
		cfg := unbeaten(newFar(t, script{"public/auth": g.auth, "private/buy": refuse, "private/subscribe": refuse}))
		cfg.Credentials = source
		s := dial(t, cfg)
		open := source.shut()
		<-time.After(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := s.Call(ctx, "private/buy", labelled("one"), nil); err != nil {
				t.Errorf("the call: %v", err)
			}
		})
		waiting.Go(func() {
			if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, "user.lock"); err != nil {
				t.Errorf("Subscribe: %v", err)
			}
		})
		waiting.Wait()
		if got, want := g.all(), []string{signed + "g1", refreshed}; !slices.Equal(got, want) {
			t.Errorf("authentications %q, want %q", got, want)
		}
		open()
	})
}
