package deribittest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// What a token may do, an exchanged one may do at most.
func TestExchangeDoesNotWiden(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Account: 7})
	c := dial(t, s)
	old := c.login(k, "session:a account:read trade:read ip:127.0.0.1")
	got := result[tokens](t, c.call("public/exchange_token", params{
		"refresh_token": old.RefreshToken, "subject_id": 7, "scope": "session:b trade:read_write wallet:read",
	}))
	if want := "session:b mainaccount account:read block_trade:read_write trade:read wallet:read"; got.Scope != want {
		t.Errorf("scope %q, want %q", got.Scope, want)
	}
}

// Sessions whose tokens have expired give their places to others, before one that lives is evicted.
func TestExpiredSessionsHaveNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		oldest := c.login(k, "session:oldest")
		for i := range 15 {
			c.login(k, fmt.Sprintf("session:n%d expires:60", i))
		}
		pass(time.Minute)
		c.login(k, "session:seventeenth")
		if code := c.call("private/get_cancel_on_disconnect", params{"access_token": oldest.AccessToken}).code(); code != 0 {
			t.Errorf("the only session that lived: code %d", code)
		}
		if got := s.Stats().Evicted; got != 0 {
			t.Errorf("%d sessions evicted", got)
		}
	})
}

func TestAuthorizationRequired(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{AuthorizationRequired: true, BadSignatureCode: 10000, Reset: deribittest.ResetProfile{TokensRevoked: true}})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	refused := func(when string, a answer) {
		t.Helper()
		if a.code() != 10000 || a.Error.Message != "authorization_required" {
			t.Errorf("%s: %+v, want 10000", when, a.Error)
		}
	}
	probe := func() answer { return c.call("private/get_cancel_on_disconnect", nil) }
	refused("before authentication", probe())
	wrong := signed(k, time.Now(), "nonce")
	wrong["data"] = "other than signed"
	refused("a wrong signature", c.call("public/auth", wrong))
	c.login(k, "")
	if code := probe().code(); code != 0 {
		t.Errorf("authenticated: code %d", code)
	}
	c.call("private/reset_api_key", params{"id": k.ID})
	refused("with a token revoked", probe())
}

// The account's setting is that of a connection's beginning: what the connection says later stands, however often it
// authenticates.
func TestCancelOnDisconnectBeginsWithTheAccounts(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	enabled := func(c *client) bool {
		t.Helper()
		return result[struct{ Enabled bool }](t, c.call("private/get_cancel_on_disconnect", nil)).Enabled
	}
	c := dial(t, s)
	shared := c.login(k, "session:shared")
	enable("account")(c)
	c.call("private/disable_cancel_on_disconnect", params{"scope": "connection"})
	c.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": shared.RefreshToken})
	if enabled(c) {
		t.Error("a refresh enabled what the connection had disabled")
	}
	other := dial(t, s)
	other.call("private/get_access_log", params{"access_token": shared.AccessToken})
	if !enabled(other) {
		t.Error("a connection that remembers a session's token has not the account's setting")
	}
}

// A connection of two accounts has a setting for each.
func TestCancelOnDisconnectOfTwoAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		keys := []deribittest.Key{s.AddKey(deribittest.KeyConfig{Account: 1}), s.AddKey(deribittest.KeyConfig{Account: 2})}
		c := dialMemory(t, s, l)
		for _, k := range keys {
			c.login(k, "")
			c.rest("l")
		}
		enable("connection")(c)
		s.CutConnections()
		synctest.Wait()
		for i, k := range keys {
			c := dialMemory(t, s, l)
			c.login(k, "")
			if got, want := c.open(), 1-i; got != want {
				t.Errorf("account %d: %d orders left, want %d", k.Account, got, want)
			}
		}
	})
}

// A connection that its own subscribe dropped has left for good.
func TestDroppedWhileItSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{SendBuffer: 500, Reorder: true})
		for range 20 { // in some of them a change follows the snapshot
			c := dialMemory(t, s, l)
			c.start("public/subscribe", params{"channels": []string{book, "book.ETH-PERPETUAL.100ms", index}})
			c.closed()
		}
		if got := s.Stats().TooSlow; got != 20 {
			t.Errorf("%d dropped, want 20", got)
		}
		if got := s.Subscribers(); got != 0 {
			t.Errorf("%d subscriptions of connections that are gone", got)
		}
	})
}

// A login may be what drops its connection, by the message about it that the connection follows. No token of it lives on.
func TestDroppedWhileItLogsIn(t *testing.T) {
	t.Parallel()
	for size := 2000; size < 4000; size += 100 {
		synctest.Test(t, func(t *testing.T) {
			s, l := memoryServer(t, deribittest.Config{SendBuffer: size})
			k := s.AddKey(deribittest.KeyConfig{})
			slow, other := dialMemory(t, s, l), dialMemory(t, s, l)
			slow.login(k, "")
			slow.channels("private/subscribe", log)
			for s.Stats().TooSlow == 0 {
				slow.start("public/auth", params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": k.Secret})
				synctest.Wait()
			}
			other.login(k, "")
			if got := s.TokensKnown(); got != 3 { // two tokens of one grant, and the grant
				t.Fatalf("buffer of %d: %d tokens and grants known, want 3", size, got)
			}
		})
	}
}
