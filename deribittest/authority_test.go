package deribittest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
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
		"refresh_token": old.RefreshToken, "subject_id": 7, "scope": "session:b trade:read_write wallet:read ip:10.0.0.1",
	}))
	if want := "session:b mainaccount account:read block_trade:read_write trade:read wallet:read"; got.Scope != want {
		t.Errorf("scope %q, want %q", got.Scope, want)
	}
	if code := c.call("private/get_access_log", params{"access_token": got.AccessToken}).code(); code != 0 {
		t.Errorf("the address is not that of the first token: code %d", code)
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
	bearer := request(t, http.MethodGet, s.RESTURL()+"/private/get_access_log", "")
	bearer.Header.Set("Authorization", "Bearer x")
	a, _ := send(t, bearer)
	refused("a token that is none, over REST", a)
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

// Whatever accounts a connection has authority for, it begins with what they say, and all its orders are cancelled with it.
func TestCancelOnDisconnectOfTwoAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		first, second := s.AddKey(deribittest.KeyConfig{Account: 1}), s.AddKey(deribittest.KeyConfig{Account: 2})
		elsewhere := dialMemory(t, s, l)
		shared := elsewhere.login(second, "session:shared")
		enable("account")(elsewhere)
		c := dialMemory(t, s, l)
		c.login(first, "")
		c.rest("l")
		on := params{"access_token": shared.AccessToken}
		if got := result[struct{ Enabled bool }](t, c.call("private/get_cancel_on_disconnect", on)); !got.Enabled {
			t.Error("disabled over a connection that is new to the account")
		}
		c.ws.CloseNow()
		synctest.Wait()
		c = dialMemory(t, s, l)
		c.login(first, "")
		if got := c.open(); got != 0 {
			t.Errorf("%d orders left", got)
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

// A reset may drop the connection that asked for it, by the message that tells of it: the reset's effects come nevertheless, though the
// reply that they wait for is kept back.
func TestDroppedWhileItResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{SendBuffer: 200, Reset: deribittest.ResetProfile{
			TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply,
		}})
		k := s.AddKey(deribittest.KeyConfig{})
		s.Inject(deribittest.Fault{Kind: deribittest.DelayReply, Method: "private/reset_api_key", For: time.Hour})
		rest := func(query string) answer {
			t.Helper()
			resp, err := memoryHTTP(l).Do(request(t, http.MethodGet, s.RESTURL()+query, ""))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var a answer
			if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
				t.Fatal(err)
			}
			return a
		}
		token := result[tokens](t, rest("/public/auth?grant_type=client_credentials&scope=session:a&client_id="+k.ClientID+"&client_secret="+k.Secret)).AccessToken
		alive := func() int { return rest("/private/get_access_log?access_token=" + token).code() }
		if code := alive(); code != 0 {
			t.Errorf("before the reset: code %d", code)
		}
		c := dialMemory(t, s, l)
		c.call("private/subscribe", params{"channels": []string{log}, "access_token": token})
		c.start("private/reset_api_key", params{"id": k.ID, "access_token": token})
		c.closed()
		if got := s.Stats().TooSlow; got != 1 {
			t.Errorf("%d dropped, want 1", got)
		}
		if code := alive(); code != 13009 {
			t.Errorf("after the reset: code %d, want 13009", code)
		}
	})
}
