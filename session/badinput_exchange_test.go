package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestBadInputAtTheExchange is what the exchange itself does not take: each gets a typed error or a counter, and the sessions go on.
func TestBadInputAtTheExchange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, server *deribittest.Server, key deribittest.Key, cfg session.Config){
		"channels that do not exist":     noSuchChannels,
		"a channel's name of a megabyte": endlessChannel,
		"a label that is too long":       longLabel,
		"a scope wider than the key's":   widerScope,
		"a URL with credentials in it":   urlWithCredentials,
		"a 17th session":                 seventeenthSession,
		"a 33rd connection":              thirtyThirdConnection,
		"a 33rd for a moment":            fullGroup,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, deribittest.Config{Tick: -1})
			key := server.AddKey(deribittest.KeyConfig{Scope: "account:read trade:read_write"})
			test(t, server, key, on(server, key))
		})
	}
}

func noSuchChannels(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	s := dial(t, cfg)
	names := []string{"ticker.NO-SUCH.raw", "no_such_kind.BTC-PERPETUAL.raw", "user.no_such_kind.any.raw"}
	_, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, append(names, "ticker.BTC-PERPETUAL.raw")...)
	refused, ok := errors.AsType[*session.SubscribeError](err)
	if !ok || len(refused.Refused) == 0 || s.Stats().Channels != 0 {
		t.Fatalf("Subscribe = %v, and there are %d channels", err, s.Stats().Channels)
	}
	for _, name := range refused.Refused {
		if !strings.Contains(strings.Join(names, " "), name) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v is about %s", err, name)
		}
	}
	if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.BTC-PERPETUAL.raw"); err != nil {
		t.Errorf("a channel that exists: %v", err)
	}
}

func endlessChannel(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	s := dial(t, cfg)
	_, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker."+megabyte)
	if !errors.Is(err, session.ErrConfig) || len(err.Error()) > 1000 || s.Stats().Channels != 0 || s.Stats().Conn.Sent > 2 {
		t.Errorf("Subscribe = %.300v, and there are %d channels", err, s.Stats().Channels)
	}
}

func longLabel(t *testing.T, server *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	s := dial(t, cfg)
	for size, want := range map[int]bool{64: true, 65: false} {
		label := strings.Repeat("l", size)
		err := s.Call(t.Context(), "private/buy", map[string]any{
			"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market", "label": label,
		}, nil)
		refusal, refused := errors.AsType[*rpc.Error](err)
		if want && err != nil || !want && (!refused || refusal.Code != rpc.CodeInvalidParams || !rpc.SafeToRetry(err)) {
			t.Errorf("a label of %d: %v", size, err)
		}
		if n := server.Executed(label); (n == 1) != want {
			t.Errorf("a label of %d: executed %d times", size, n)
		}
	}
}

func widerScope(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	cfg.Scope = "account:read wallet:read_write trade:read"
	s, err := session.Dial(t.Context(), cfg)
	if err == nil {
		closeAtEnd(t, s)
	}
	narrow, ok := errors.AsType[*session.ScopeError](err)
	if !ok || len(narrow.Missing) != 1 || narrow.Missing[0] != "wallet:read_write" {
		t.Errorf("Dial = %v, want a ScopeError about wallet:read_write", err)
	}
}

func urlWithCredentials(t *testing.T, server *deribittest.Server, key deribittest.Key, cfg session.Config) {
	t.Helper()
	cfg.URL = strings.Replace(cfg.URL, "ws://", "ws://"+key.ClientID+":"+key.Secret+"@", 1)
	s, err := session.Dial(t.Context(), cfg)
	if err == nil {
		closeAtEnd(t, s)
	}
	if !errors.Is(err, session.ErrConfig) || strings.Contains(err.Error(), key.Secret) || strings.Contains(err.Error(), key.ClientID) {
		t.Errorf("Dial = %v, want ErrConfig that quotes nothing", err)
	}
	if n := server.Stats().Calls["public/auth"]; n != 0 {
		t.Errorf("%d logins", n)
	}
}

// seventeenthSession evicts the first, which notices at its next call and gets its place back.
func seventeenthSession(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	var told warnings
	cfg.Logger = told.logger()
	var sessions []*session.Session
	for i := range 17 {
		cfg.Scope = fmt.Sprintf("session:desk-%d", i)
		sessions = append(sessions, dial(t, cfg))
	}
	for i, s := range sessions {
		if err := s.Call(t.Context(), "private/get_positions", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if stats := sessions[0].Stats(); stats.AuthorityLost != 1 || stats.Resent != 1 || stats.Epoch != 1 {
		t.Errorf("the first session lost its authority %d times and sent %d calls again over %d connections, want one, one and one",
			stats.AuthorityLost, stats.Resent, stats.Epoch)
	}
	if n := told.count(regained); n == 0 || told.count(tooManyNames) != n {
		t.Errorf("%d warnings, %d of them name the limit", n, told.count(tooManyNames))
	}
}

func thirtyThirdConnection(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	cfg.Credentials = nil
	for range 32 {
		dial(t, cfg)
	}
	s, err := session.Dial(t.Context(), cfg)
	if err == nil {
		closeAtEnd(t, s)
	}
	if refusal, ok := errors.AsType[*rpc.HandshakeError](err); !ok || refusal.Status != http.StatusTooManyRequests || refusal.ErrorType() != "429" {
		t.Errorf("Dial = %v, want HTTP status 429", err)
	} else if !strings.Contains(err.Error(), "the exchange takes 32 connections of one address") || !strings.Contains(err.Error(), "close some") {
		t.Errorf("Dial = %v, want the limit and what to do", err)
	}
}

// fullGroup leaves no connection for the one that Reconnect opens beside another: it says so, and the session keeps the one that it has.
func fullGroup(t *testing.T, _ *deribittest.Server, _ deribittest.Key, cfg session.Config) {
	t.Helper()
	cfg.Credentials = nil
	g := dialGroup(t, session.GroupConfig{Config: cfg, Sessions: 32})
	s := g.Sessions()[0]
	err := s.Reconnect(t.Context())
	if refusal, ok := errors.AsType[*rpc.HandshakeError](err); !ok || refusal.Status != http.StatusTooManyRequests ||
		!strings.Contains(err.Error(), "close some") {
		t.Errorf("Reconnect = %v, want HTTP status 429 and what to do", err)
	}
	if err := s.Call(t.Context(), "public/get_time", nil, nil); err != nil || s.Stats().Epoch != 1 || !g.Ready() {
		t.Errorf("%v over %d connections, ready %t", err, s.Stats().Epoch, g.Ready())
	}
}

// TestTwoSessionsWithOneName: each login ends the other's refresh token. Both live on by their key, for ten of their tokens' lives.
func TestTwoSessionsWithOneName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		cfg.Scope = "session:desk expires:60"
		a, b := dial(t, cfg), dial(t, cfg)
		for range 10 {
			time.Sleep(time.Minute) //nolint:forbidigo // virtual time
			for _, s := range []*session.Session{a, b} {
				if err := s.Call(t.Context(), "private/get_positions", map[string]string{"currency": "BTC"}, nil); err != nil {
					t.Error(err)
				}
			}
		}
		if a.Stats().Epoch != 1 || b.Stats().Epoch != 1 {
			t.Errorf("%d and %d connections, want one each", a.Stats().Epoch, b.Stats().Epoch)
		}
		if n := server.Stats().Calls["public/auth"]; n > 60 {
			t.Errorf("%d authentications in ten minutes", n)
		}
	})
}
