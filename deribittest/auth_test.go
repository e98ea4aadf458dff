package deribittest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// signed returns the parameters of a client_signature login made at a time.
func signed(k deribittest.Key, at time.Time, nonce string) params {
	ts := at.UnixMilli()
	return params{
		"grant_type": "client_signature", "client_id": k.ClientID, "timestamp": ts, "nonce": nonce, "data": "",
		"signature": sign(k.Secret, fmt.Sprintf("%d\n%s\n", ts, nonce)),
	}
}

// The published test vector: it has a time of its own, to which the bubble's clock is moved.
func TestPublishedSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const at = 1576074319000
		pass(time.Until(time.UnixMilli(at)))
		s, l := memoryServer(t, deribittest.Config{})
		s.AddKey(deribittest.KeyConfig{ClientID: "AMANDA", Secret: "AMANDASECRECT"})
		c := dialMemory(t, s, l)
		vector := params{
			"grant_type": "client_signature", "client_id": "AMANDA", "timestamp": at, "nonce": "1iqt2wls", "data": "",
			"signature": "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1",
		}
		got := result[tokens](t, c.call("public/auth", vector))
		if got.TokenType != "bearer" || got.ExpiresIn != 31536000 || got.AccessToken == "" || got.RefreshToken == "" {
			t.Errorf("result %+v", got)
		}
		if code := c.call("public/auth", vector).code(); code != 13004 {
			t.Errorf("nonce used again: code %d, want 13004", code)
		}
		if !slices.Contains(s.Secrets(), vector["signature"].(string)) {
			t.Error("Secrets lacks the signature received")
		}
	})
}

func TestSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		for _, tt := range []struct {
			name   string
			change func(params)
			code   int
			param  string
		}{
			{"good", func(params) {}, 0, ""},
			{"timestamp as a string", func(p params) { p["timestamp"] = fmt.Sprint(p["timestamp"]) }, 0, ""},
			{"other data than signed", func(p params) { p["data"] = "x" }, 13004, ""},
			{"unknown client", func(p params) { p["client_id"] = "nobody" }, 13004, ""},
			{"upper-case signature", func(p params) { p["signature"] = strings.ToUpper(p["signature"].(string)) }, 13004, ""},
			{"nonce with a space", func(p params) { p["nonce"] = "a b" }, -32602, "nonce"},
			{"nonce too long", func(p params) { p["nonce"] = strings.Repeat("a", 65) }, -32602, "nonce"},
			{"nonce taken away", func(p params) { delete(p, "nonce") }, 13004, ""},
			{"no nonce", func(p params) {
				delete(p, "nonce")
				p["signature"] = sign(k.Secret, fmt.Sprintf("%d\n\n", p["timestamp"]))
			}, 0, ""},
			{"no timestamp", func(p params) { delete(p, "timestamp") }, -32602, "timestamp"},
			{"timestamp of the wrong type", func(p params) { p["timestamp"] = true }, -32602, "timestamp"},
		} {
			p := signed(k, time.Now(), "n"+strconv.Itoa(len(tt.name))+"-x")
			tt.change(p)
			a := c.call("public/auth", p)
			if a.code() != tt.code {
				t.Errorf("%s: code %d, want %d", tt.name, a.code(), tt.code)
			}
			if a.Error != nil && a.Error.Data.Param != tt.param {
				t.Errorf("%s: param %q, want %q", tt.name, a.Error.Data.Param, tt.param)
			}
		}
	})
}

func TestSignatureWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{BadSignatureCode: 13009})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		for i, tt := range []struct {
			off  time.Duration
			code int
		}{{-60 * time.Second, 0}, {60 * time.Second, 0}, {-61 * time.Second, 13009}, {61 * time.Second, 13009}} {
			a := c.call("public/auth", signed(k, time.Now().Add(tt.off), fmt.Sprint("nonce", i)))
			if a.code() != tt.code {
				t.Errorf("clock off by %v: code %d, want %d", tt.off, a.code(), tt.code)
			}
		}
		// A nonce is kept for as long as a timestamp can be used again.
		pass(121 * time.Second)
		if code := c.call("public/auth", signed(k, time.Now(), "other")).code(); code != 0 {
			t.Errorf("another nonce: code %d", code)
		}
		if code := c.call("public/auth", signed(k, time.Now(), "nonce0")).code(); code != 0 {
			t.Errorf("a nonce of long ago: code %d", code)
		}
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Name: "trader", Scope: "trade:read_write account:read"})
	for _, tt := range []struct {
		name   string
		p      params
		code   int
		param  string
		scope  string // of the result
		expiry int64
	}{
		{name: "default scope is the connection", scope: "connection mainaccount account:read trade:read_write name:trader", expiry: 31536000},
		{name: "more than the key has", p: params{"scope": "account:read_write wallet:read"}, scope: "connection mainaccount account:read trade:read_write name:trader", expiry: 31536000},
		{name: "less than the key has", p: params{"scope": "trade:read account:none"}, scope: "connection mainaccount trade:read name:trader", expiry: 31536000},
		{name: "life and session", p: params{"scope": "session:a expires:60"}, scope: "session:a mainaccount account:read trade:read_write expires:60 name:trader", expiry: 60},
		{name: "wrong secret", p: params{"client_secret": "wrong"}, code: 13004},
		{name: "empty secret", p: params{"client_secret": ""}, code: -32602, param: "client_secret"},
		{name: "bad life", p: params{"scope": "expires:soon"}, code: -32602, param: "scope"},
		{name: "unknown grant type", p: params{"grant_type": "password"}, code: -32602, param: "grant_type"},
		{name: "no grant type", p: params{"grant_type": nil}, code: -32602, param: "grant_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			p := params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": k.Secret, "state": "s"}
			maps.Copy(p, tt.p)
			a := c.call("public/auth", p)
			if a.code() != tt.code {
				t.Fatalf("code %d, want %d", a.code(), tt.code)
			}
			if tt.code != 0 {
				if a.Error.Data.Param != tt.param {
					t.Errorf("param %q, want %q", a.Error.Data.Param, tt.param)
				}
				return
			}
			got := result[tokens](t, a)
			if got.Scope != tt.scope || got.ExpiresIn != tt.expiry || got.State != "s" {
				t.Errorf("got %+v, want scope %q, expiry %d, state s", got, tt.scope, tt.expiry)
			}
			if (got.SID != "") != strings.HasPrefix(tt.scope, "session:") {
				t.Errorf("sid %q with scope %q", got.SID, got.Scope)
			}
		})
	}
}

func TestTokenBinding(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	probe := func(c *client, token string) int {
		p := params{}
		if token != "" {
			p["access_token"] = token
		}
		return c.call("private/get_cancel_on_disconnect", p).code()
	}

	a, b := dial(t, s), dial(t, s)
	if code := probe(a, ""); code != 13009 {
		t.Errorf("before authentication: code %d, want 13009", code)
	}
	own := a.login(k, "")
	shared := a.login(k, "session:shared")
	if code := probe(a, own.AccessToken); code != 0 {
		t.Errorf("connection token on its connection: code %d", code)
	}
	if code := probe(a, ""); code != 0 {
		t.Errorf("remembered token: code %d", code)
	}
	if code := probe(b, own.AccessToken); code != 13009 {
		t.Errorf("connection token on another connection: code %d, want 13009", code)
	}
	if code := probe(b, own.RefreshToken); code != 13009 {
		t.Errorf("refresh token as access token: code %d, want 13009", code)
	}
	if code := probe(b, shared.AccessToken); code != 0 {
		t.Errorf("session token on another connection: code %d", code)
	}
	if code := probe(b, ""); code != 0 {
		t.Errorf("session token was not remembered: code %d", code)
	}
}

func TestTokensDieWithConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	a := dial(t, s)
	own := a.login(k, "")
	shared := a.login(k, "session:shared")
	s.CutConnections()
	b := dial(t, s)
	for token, want := range map[string]int{own.RefreshToken: -32602, shared.RefreshToken: 0} {
		got := b.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": token})
		if got.code() != want {
			t.Errorf("refresh after the connection ended: code %d, want %d", got.code(), want)
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	for _, tt := range []struct {
		scope     string
		oldAccess int // code of a call with the access token that was replaced
	}{{"", 13009}, {"session:x", 0}} {
		t.Run("scope "+tt.scope, func(t *testing.T) {
			c := dial(t, s)
			old := c.login(k, tt.scope)
			refresh := func(token string) answer {
				return c.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": token})
			}
			fresh := result[tokens](t, refresh(old.RefreshToken))
			if fresh.Scope != old.Scope || fresh.AccessToken == old.AccessToken || fresh.SID != old.SID {
				t.Errorf("refreshed %+v from %+v", fresh, old)
			}
			if code := refresh(old.RefreshToken).code(); code != -32602 {
				t.Errorf("stale refresh token: code %d, want -32602", code)
			}
			if code := refresh(fresh.AccessToken).code(); code != -32602 {
				t.Errorf("access token as refresh token: code %d, want -32602", code)
			}
			a := c.call("private/get_cancel_on_disconnect", params{"access_token": old.AccessToken})
			if a.code() != tt.oldAccess {
				t.Errorf("replaced access token: code %d, want %d", a.code(), tt.oldAccess)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	a, b := dial(t, s), dial(t, s)
	first := a.login(k, "session:same")
	second := b.login(k, "session:same")
	if first.SID != second.SID {
		t.Errorf("sid %s and %s of one session", first.SID, second.SID)
	}
	stale := a.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": first.RefreshToken})
	if stale.code() != -32602 {
		t.Errorf("refresh token after another login to the session: code %d, want -32602", stale.code())
	}

	oldest := a.login(k, "session:oldest")
	for i := range 14 {
		a.login(k, fmt.Sprint("session:n", i))
	}
	b.login(k, "session:same") // refreshed: no longer the one left alone for longest
	a.login(k, "session:seventeenth")
	alive := func(token string) int {
		return b.call("private/get_cancel_on_disconnect", params{"access_token": token}).code()
	}
	if code := alive(oldest.AccessToken); code != 13009 {
		t.Errorf("session left alone for longest: code %d, want 13009", code)
	}
	if code := alive(second.AccessToken); code != 0 {
		t.Errorf("session in use: code %d", code)
	}
	if got := s.Stats().Evicted; got != 1 {
		t.Errorf("%d sessions evicted", got)
	}
}

// Months of logins to one session leave the tokens that live behind, and those that died of late.
func TestExpiredTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		code := func(got tokens) (int, string) {
			a := c.call("private/get_cancel_on_disconnect", params{"access_token": got.AccessToken})
			return a.code(), a.Error.Message
		}
		first := c.login(k, "session:a expires:60")
		second := first
		for i := range 2000 {
			pass(5 * time.Minute)
			if second = c.login(k, "session:a expires:60"); i == 0 {
				if code, message := code(first); code != 13009 || message != "invalid_token" {
					t.Errorf("a token that has expired: code %d %s", code, message)
				}
			}
		}
		if code, message := code(first); code != 13009 || message != "unauthorized" {
			t.Errorf("a token of last week: code %d %s", code, message)
		}
		if got := s.TokensKnown(); got > 50 { // of 14 logins, in three lists
			t.Errorf("%d tokens known after a week", got)
		}
		if code := c.call("private/get_cancel_on_disconnect", params{"access_token": second.AccessToken}).code(); code != 0 {
			t.Errorf("the last token: code %d", code)
		}
	})
}

func TestForkToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	own, shared := c.login(k, ""), c.login(k, "session:a")
	if code := c.call("public/fork_token", params{"refresh_token": own.RefreshToken, "session_name": "b"}).code(); code != -32602 {
		t.Errorf("fork of a connection's token: code %d, want -32602", code)
	}
	forked := result[tokens](t, c.call("public/fork_token", params{"refresh_token": shared.RefreshToken, "session_name": "b"}))
	if !strings.HasPrefix(forked.Scope, "session:b ") || forked.SID == shared.SID {
		t.Errorf("forked %+v", forked)
	}
	for name, token := range map[string]string{"original": shared.AccessToken, "forked": forked.AccessToken} {
		if code := c.call("private/get_cancel_on_disconnect", params{"access_token": token}).code(); code != 0 {
			t.Errorf("%s token: code %d", name, code)
		}
	}
}

func TestExchangeToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Account: 7})
	c := dial(t, s)
	old := c.login(k, "session:a")
	if code := c.call("public/exchange_token", params{"refresh_token": old.RefreshToken, "subject_id": 8}).code(); code != 13020 {
		t.Errorf("unknown subject: code %d, want 13020", code)
	}
	kept := result[tokens](t, c.call("public/exchange_token", params{"refresh_token": old.RefreshToken, "subject_id": 7, "scope": "session:b"}))
	gone := result[tokens](t, c.call("public/exchange_token", params{"refresh_token": kept.RefreshToken, "subject_id": 7}))
	for name, tt := range map[string]struct {
		token string
		code  int
	}{
		"exchanged with a session scope": {old.AccessToken, 0}, "exchanged without one": {kept.AccessToken, 13009}, "new": {gone.AccessToken, 0},
	} {
		if code := c.call("private/get_cancel_on_disconnect", params{"access_token": tt.token}).code(); code != tt.code {
			t.Errorf("token %s: code %d, want %d", name, code, tt.code)
		}
	}
}

func TestTokenExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{TokenLife: time.Hour})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dialMemory(t, s, l)
		if got := c.login(k, ""); got.ExpiresIn != 3600 {
			t.Errorf("expires_in %d, want 3600", got.ExpiresIn)
		}
		short := c.login(k, "expires:60")
		c.call("private/subscribe", params{"channels": []string{"user.access_log"}})
		pass(59 * time.Second)
		if code := c.call("private/get_access_log", params{}).code(); code != 0 {
			t.Errorf("one second before expiry: code %d", code)
		}
		pass(time.Second)
		a := c.call("private/get_access_log", params{})
		if a.code() != 13009 || a.Error.Data.Param != "access_token" {
			t.Errorf("at expiry: %+v, want 13009 about access_token", a.Error)
		}
		if code := c.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": short.RefreshToken}).code(); code != -32602 {
			t.Errorf("refresh at expiry: code %d, want -32602", code)
		}
		c.login(k, "")
		if code := c.call("private/get_access_log", params{}).code(); code != 0 {
			t.Errorf("after a new login: code %d", code)
		}
	})
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	c.login(k, "account:read")
	if code := c.call("private/get_access_log", params{}).code(); code != 0 {
		t.Errorf("read with read: code %d", code)
	}
	if code := c.call("private/enable_cancel_on_disconnect", params{}).code(); code != 13021 {
		t.Errorf("read_write with read: code %d, want 13021", code)
	}
}

func TestBoundAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	for scope, want := range map[string]int{"ip:127.0.0.1": 0, "ip:*": 0, "ip:10.0.0.1": 13009} {
		c := dial(t, s)
		c.login(k, scope)
		if code := c.call("private/get_access_log", params{}).code(); code != want {
			t.Errorf("scope %s: code %d, want %d", scope, code, want)
		}
	}
}

func TestLoginLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{LoginFailures: 3})
	k := s.AddKey(deribittest.KeyConfig{})
	c := dial(t, s)
	wrong := params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": "wrong"}
	for range 2 {
		c.call("public/auth", wrong)
	}
	c.login(k, "") // a success starts the count again
	for i := range 3 {
		if code := c.call("public/auth", wrong).code(); code != 13004 {
			t.Errorf("failure %d: code %d, want 13004", i+1, code)
		}
	}
	right := params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": k.Secret}
	if code := c.call("public/auth", right).code(); code != 12003 {
		t.Errorf("after three failures: code %d, want 12003", code)
	}
	c.call("private/reset_api_key", params{"id": k.ID})
	k, _ = s.Key(k.ID)
	c.login(k, "")
	st := s.Stats()
	if st.Authentications != 2 || st.AuthFailures != 6 || st.Calls["public/auth"] != 8 {
		t.Errorf("counted %+v", st)
	}
}
