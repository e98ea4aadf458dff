package session_test

import (
	"encoding/json"
	"slices"
	"sync"
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
			if stats := server.Stats(); source.asked != 1 || stats.Authentications < 10 || stats.AuthFailures != 0 || s.Stats().Resent != 0 {
				t.Errorf("%s: the source was asked %d times for %d authentications, %d failed, %d calls resent",
					scope, source.asked, stats.Authentications, stats.AuthFailures, s.Stats().Resent)
			}
			source.creds.Generation = 2
			open()
			if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != 2 {
				t.Errorf("%s: %v, generation %d", scope, err, s.Generation())
			}
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

// TestRefusedRefreshUsesTheKey has the exchange refuse to refresh, as it does when another client uses the session's name: the
// key is used at once, and the next token is refreshed again.
func TestRefusedRefreshUsesTheKey(t *testing.T) {
	t.Parallel()
	for _, code := range []rpc.Code{rpc.CodeInvalidParams, session.CodeUnauthorized, session.CodeInvalidCredentials} {
		synctest.Test(t, func(t *testing.T) {
			g, source := &grants{}, newKeyring()
			refusals := 0
			g.onAuth = func(p *peer, r request, grant string) bool {
				if grant != "refresh_token" || refusals > 0 {
					return false
				}
				refusals++
				source.publish(2)
				p.refuse(r, int(code), "Invalid params")
				return true
			}
			f := newFar(t, script{"public/auth": g.auth})
			cfg := scripted(f)
			cfg.Credentials = source
			s := dial(t, cfg)
			time.Sleep(119 * time.Second) //nolint:forbidigo // virtual time
			want := []string{signed + "g1", refreshed, signed + "g2", refreshed}
			if got := g.all(); !slices.Equal(got, want) || s.Generation() != 2 || s.Stats().Epoch != 1 {
				t.Errorf("%d: authentications %q at generation %d over %d connections, want %q", code, got, s.Generation(), s.Stats().Epoch, want)
			}
		})
	}
}

// TestRefreshTokenIsUsedOnce loses the answer to a refresh: the token may be dead, so the key is used.
func TestRefreshTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, lost := &grants{}, false
		g.onAuth = func(_ *peer, _ request, grant string) bool {
			first := grant == "refresh_token" && !lost
			lost = lost || first
			return first
		}
		f := newFar(t, script{"public/auth": g.auth})
		cfg := scripted(f)
		cfg.CallTimeout = time.Second
		s := dial(t, cfg)
		time.Sleep(65 * time.Second) //nolint:forbidigo // virtual time
		if got, want := g.all(), []string{signed + "client", refreshed, signed + "client"}; !slices.Equal(got, want) || !s.Ready() {
			t.Errorf("authentications %q, ready %t, want %q", got, s.Ready(), want)
		}
	})
}

// TestReauthenticateIsNoRefresh wants the newest key while a refresh is under way: that must not pass for it.
func TestReauthenticateIsNoRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, source, hold := &grants{}, newKeyring(), make(chan struct{})
		g.onAuth = func(_ *peer, _ request, grant string) bool {
			if grant == "refresh_token" {
				<-hold
			}
			return false
		}
		f := newFar(t, script{"public/auth": g.auth})
		cfg := scripted(f)
		cfg.Credentials = source
		s := dial(t, cfg)
		time.Sleep(58 * time.Second) //nolint:forbidigo // virtual time
		source.publish(2)
		done := make(chan error, 1)
		var wg sync.WaitGroup
		wg.Go(func() { done <- s.Reauthenticate(t.Context()) })
		synctest.Wait()
		close(hold)
		wg.Wait()
		want := []string{signed + "g1", refreshed, signed + "g2"}
		if err := <-done; err != nil || !slices.Equal(g.all(), want) || s.Generation() != 2 {
			t.Errorf("%v, authentications %q, want %q", err, g.all(), want)
		}
	})
}

// TestRefreshNarrowsNothing refreshes into less scope than the connection had: the key is used, and its refusal is told.
func TestRefreshNarrowsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &grants{}
		g.onAuth = func(p *peer, r request, grant string) bool {
			scope := "connection trade:read_write"
			if grant == "refresh_token" {
				scope = "connection trade:read"
			}
			p.answer(r, map[string]any{"access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": scope})
			return true
		}
		f := newFar(t, script{"public/auth": g.auth})
		dial(t, scripted(f))
		time.Sleep(58 * time.Second) //nolint:forbidigo // virtual time
		if got, want := g.all(), []string{signed + "client", refreshed, signed + "client"}; !slices.Equal(got, want) {
			t.Errorf("authentications %q, want %q", got, want)
		}
	})
}
