package session_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

func TestDialToReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, nil), &recorder{}
		cfg := scripted(f)
		cfg.Observer, cfg.CancelOnDisconnect = watch, true
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		stats := s.Stats()
		if !s.Ready() || s.State() != session.Ready || s.Generation() != 1 || s.Name() != "test" || s.URL() != cfg.URL || s.Err() != nil {
			t.Errorf("ready %t, state %v, generation %d, name %q, err %v", s.Ready(), s.State(), s.Generation(), s.Name(), s.Err())
		}
		if left := time.Until(stats.TokenExpires); stats.Epoch != 1 || stats.Generation != 1 || left != 365*24*time.Hour {
			t.Errorf("stats: epoch %d, generation %d, token for %v", stats.Epoch, stats.Generation, left)
		}
		want := []string{"public/auth", "public/set_heartbeat", "private/enable_cancel_on_disconnect", "private/get_cancel_on_disconnect"}
		if got := f.requests(1); !slices.Equal(got, want) {
			t.Errorf("requests = %q, want %q", got, want)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		watch.check(t)
		if got := watch.states(); got != "connecting authenticating resuming ready closed" {
			t.Errorf("states = %s", got)
		}
	})
}

// TestDialOnlyNeedsAURL dials the exchange's double with the zero value of everything else, over each transport.
func TestDialOnlyNeedsAURL(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1})
	key := server.AddKey(deribittest.KeyConfig{})
	for name, cfg := range map[string]session.Config{
		"public":   {URL: server.URL()},
		"private":  {URL: server.URL(), Credentials: credentials(key, 1)},
		"secret":   {URL: server.URL(), Credentials: credentials(key, 1), Grant: session.GrantCredentials},
		"scoped":   {URL: server.URL(), Credentials: credentials(key, 1), Scope: "session:a account:read expires:600"},
		"nhooyr":   {URL: server.URL(), Credentials: credentials(key, 1), Dialer: nhooyrws.Dialer{}},
		"coder":    {URL: server.URL(), Credentials: credentials(key, 1), Dialer: coderws.Dialer{}},
		"no beats": {URL: server.URL(), Credentials: credentials(key, 1), Heartbeat: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dial(t, cfg)
			var now int64
			if err := s.Call(t.Context(), "public/get_time", nil, &now); err != nil || now == 0 {
				t.Errorf("get_time = %d, %v", now, err)
			}
			if cfg.Credentials == nil {
				return
			}
			if err := s.Call(t.Context(), "private/get_cancel_on_disconnect", nil, nil); err != nil {
				t.Errorf("a private call: %v", err)
			}
		})
	}
}

func TestSessionsAreNamed(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	cfg := scripted(f)
	cfg.Name = ""
	a, b := dial(t, cfg), dial(t, cfg)
	if !strings.HasPrefix(a.Name(), "session-") || a.Name() == b.Name() {
		t.Errorf("names %q and %q", a.Name(), b.Name())
	}
}
