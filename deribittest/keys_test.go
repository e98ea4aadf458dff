package deribittest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// apiKey is the api_key object as documented.
type apiKey struct {
	ID           int64           `json:"id"`
	Timestamp    int64           `json:"timestamp"`
	ClientID     string          `json:"client_id"`
	ClientSecret string          `json:"client_secret"`
	PublicKey    string          `json:"public_key"`
	MaxScope     json.RawMessage `json:"max_scope"`
	Enabled      bool            `json:"enabled"`
	Default      bool            `json:"default"`
	Name         string          `json:"name"`
}

// works reports the code of a login with credentials on a connection of its own.
func works(t *testing.T, s *deribittest.Server, id, secret string) int {
	t.Helper()
	c := dial(t, s)
	defer c.ws.CloseNow()
	return c.call("public/auth", params{"grant_type": "client_credentials", "client_id": id, "client_secret": secret}).code()
}

func TestResetAPIKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	admin := s.AddKey(deribittest.KeyConfig{Name: "admin"})
	k := s.AddKey(deribittest.KeyConfig{Name: "trader", Scope: "trade:read_write wallet:read"})
	c := dial(t, s)
	c.login(admin, "")

	got := result[apiKey](t, c.call("private/reset_api_key", params{"id": k.ID}))
	if got.ID != k.ID || got.ClientID != k.ClientID || got.Name != "trader" || !got.Enabled || got.Default {
		t.Errorf("reset %+v of %+v", got, k)
	}
	if string(got.MaxScope) != `"trade:read_write wallet:read"` {
		t.Errorf("max_scope %s", got.MaxScope)
	}
	if got.ClientSecret == "" || got.ClientSecret == k.Secret {
		t.Error("no new secret")
	}
	if now, ok := s.Key(k.ID); !ok || now.Secret != got.ClientSecret {
		t.Errorf("Key gives %+v", now)
	}
	if code := works(t, s, k.ClientID, k.Secret); code != 13004 {
		t.Errorf("old secret: code %d, want 13004", code)
	}
	if code := works(t, s, k.ClientID, got.ClientSecret); code != 0 {
		t.Errorf("new secret: code %d", code)
	}
	for _, secret := range []string{k.Secret, got.ClientSecret} {
		if !slices.Contains(s.Secrets(), secret) {
			t.Error("Secrets lacks a secret")
		}
	}
}

func TestResetRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{SelfResetRefused: true})
	wide := s.AddKey(deribittest.KeyConfig{})
	narrow := s.AddKey(deribittest.KeyConfig{Scope: "account:read_write trade:read"})
	trader := s.AddKey(deribittest.KeyConfig{Scope: "trade:read_write"})
	other := s.AddKey(deribittest.KeyConfig{Account: 2})
	for _, tt := range []struct {
		name   string
		caller deribittest.Key
		id     any
		code   int
		param  string
	}{
		{"target beyond the caller", narrow, wide.ID, 13403, ""},
		{"itself", wide, wide.ID, 13403, ""},
		{"without account scope", trader, trader.ID, 13021, "scope"},
		{"key of another account", wide, other.ID, 13020, ""},
		{"no such key", wide, 99, 13020, ""},
		{"id is a string", wide, "abc", -32602, "id"},
		{"no id", wide, nil, -32602, "id"},
		{"within reach", wide, narrow.ID, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			c.login(tt.caller, "")
			a := c.call("private/reset_api_key", params{"id": tt.id})
			if a.code() != tt.code {
				t.Fatalf("code %d, want %d", a.code(), tt.code)
			}
			if a.Error != nil && a.Error.Data.Param != tt.param {
				t.Errorf("param %q, want %q", a.Error.Data.Param, tt.param)
			}
		})
	}
}

// The twelve profiles. The key's own connection follows a private channel while another key resets it.
func TestResetProfiles(t *testing.T) {
	t.Parallel()
	for profile := range deribittest.ResetProfiles() {
		t.Run(profile.String(), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, deribittest.Config{})
			s.SetReset(profile)
			admin, k := s.AddKey(deribittest.KeyConfig{}), s.AddKey(deribittest.KeyConfig{})
			a, c := dial(t, s), dial(t, s)
			a.login(admin, "")
			shared := c.login(k, "session:x")
			c.login(k, "")
			c.call("private/subscribe", params{"channels": []string{"user.access_log"}})
			c.call("public/subscribe", params{"channels": []string{"platform_state"}})

			fresh := result[apiKey](t, a.call("private/reset_api_key", params{"id": k.ID}))
			if code := a.call("private/list_api_keys", params{}).code(); code != 0 {
				t.Errorf("the admin's own call: code %d", code)
			}
			k.Secret = fresh.ClientSecret
			open := profile.Connections == deribittest.ConnectionsKept
			if open {
				c.call("public/test", params{}) // what was sent before has come
			} else if code := c.closed(); code != websocket.StatusGoingAway {
				t.Errorf("close code %d, want going away", code)
			}
			if told := slices.Contains(logEvents(c), "reset_api_key"); told == profile.SubscriptionsDropped {
				t.Errorf("the channel told of the reset: %v", told)
			}
			want := map[bool]int{true: 13009}[profile.TokensRevoked]
			if code := dial(t, s).call("private/get_access_log", params{"access_token": shared.AccessToken}).code(); code != want {
				t.Errorf("a session's token: code %d, want %d", code, want)
			}
			if open {
				checkConnection(t, s, c, k, profile)
			}
		})
	}
}

// checkConnection looks at a connection that a reset of its key has left open.
func checkConnection(t *testing.T, s *deribittest.Server, c *client, k deribittest.Key, profile deribittest.ResetProfile) {
	t.Helper()
	want := map[bool]int{true: 13009}[profile.TokensRevoked]
	if code := c.call("private/get_access_log", params{}).code(); code != want {
		t.Errorf("private call: code %d, want %d", code, want)
	}
	c.login(k, "")
	if code := c.call("private/get_access_log", params{}).code(); code != 0 {
		t.Errorf("after a new login: code %d", code)
	}
	if flows := slices.Contains(logEvents(c), "success"); flows == profile.SubscriptionsDropped {
		t.Errorf("the private channel flows: %v", flows)
	}
	s.MaintenanceNotice()
	c.notification("platform_state") // a public channel is left alone
}

// logEvents returns the events of user.access_log seen so far.
func logEvents(c *client) []string {
	var events []string
	for _, a := range c.seen {
		var e struct {
			Log string `json:"log"`
		}
		if a.Params.Channel == "user.access_log" && json.Unmarshal(a.Params.Data, &e) == nil {
			events = append(events, e.Log)
		}
	}
	return events
}

// A key that resets itself gets its reply before its connections close, or never.
func TestResetOfItself(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		profile := deribittest.ResetProfile{Connections: deribittest.ConnectionsClosedAfterReply}
		if lost {
			profile.Connections = deribittest.ConnectionsClosedBeforeReply
		}
		s := newServer(t, deribittest.Config{Reset: profile})
		k := s.AddKey(deribittest.KeyConfig{})
		a, b := dial(t, s), dial(t, s)
		a.login(k, "")
		b.login(k, "")
		id := a.start("private/reset_api_key", params{"id": k.ID})
		for _, c := range []*client{a, b} {
			if code := c.closed(); code != websocket.StatusGoingAway {
				t.Errorf("%s: close code %d, want going away", profile, code)
			}
		}
		if replied := slices.ContainsFunc(a.seen, func(a answer) bool { return string(a.ID) == id }); replied == lost {
			t.Errorf("%s: replied: %v", profile, replied)
		}
		if now, _ := s.Key(k.ID); now.Secret == k.Secret || works(t, s, k.ClientID, now.Secret) != 0 {
			t.Errorf("%s: the key was not reset", profile)
		}
	}
}

func TestManageKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	admin := s.AddKey(deribittest.KeyConfig{Scope: "account:read_write trade:read_write"})
	c := dial(t, s)
	c.login(admin, "")

	made := result[apiKey](t, c.call("private/create_api_key", params{"max_scope": "account:read trade:read", "name": "second"}))
	if made.Name != "second" || !made.Enabled || made.ClientSecret == "" {
		t.Errorf("created %+v", made)
	}
	user := dial(t, s)
	user.login(deribittest.Key{ClientID: made.ClientID, Secret: made.ClientSecret}, "")
	probe := func(want int, when string) {
		t.Helper()
		if code := user.call("private/get_access_log", params{}).code(); code != want {
			t.Errorf("%s: code %d, want %d", when, code, want)
		}
	}
	probe(0, "new key")

	renamed := result[apiKey](t, c.call("private/change_api_key_name", params{"id": made.ID, "name": "Third_3"}))
	if renamed.Name != "Third_3" || renamed.ClientSecret != made.ClientSecret {
		t.Errorf("renamed %+v", renamed)
	}
	result[apiKey](t, c.call("private/disable_api_key", params{"id": made.ID}))
	probe(13009, "disabled")
	if code := works(t, s, made.ClientID, made.ClientSecret); code != 13004 {
		t.Errorf("login while disabled: code %d, want 13004", code)
	}
	result[apiKey](t, c.call("private/enable_api_key", params{"id": made.ID}))
	probe(0, "enabled")
	result[apiKey](t, c.call("private/change_scope_in_api_key", params{"id": made.ID, "max_scope": "trade:read"}))
	probe(13021, "scope taken away")
	edited := result[apiKey](t, c.call("private/edit_api_key", params{
		"id": made.ID, "max_scope": "account:read", "ip_whitelist": []string{"10.0.0.1"}, "enabled": true,
	}))
	if string(edited.MaxScope) != `"account:read"` {
		t.Errorf("edited max_scope %s", edited.MaxScope)
	}
	probe(13009, "address not on the whitelist")
	c.call("private/edit_api_key", params{"id": made.ID, "max_scope": "account:read", "ip_whitelist": []string{}})
	probe(0, "whitelist emptied")
	if got := result[string](t, c.call("private/remove_api_key", params{"id": made.ID})); got != "ok" {
		t.Errorf("removed: %q", got)
	}
	probe(13009, "removed")
	if _, ok := s.Key(made.ID); ok {
		t.Error("Key finds a removed key")
	}

	log := result[[]struct{ Log, Data string }](t, c.call("private/get_access_log", params{"count": 1000}))
	for _, event := range []string{"new_api_key", "disabled_api_key", "enabled_api_key", "changed_scope", "changed_whitelist", "removed_api_key"} {
		if !slices.Contains(log, struct{ Log, Data string }{event, made.ClientID}) {
			t.Errorf("access log lacks %s of %s: %v", event, made.ClientID, log)
		}
	}
}

func TestManageKeysRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Scope: "account:read_write trade:read"})
	c := dial(t, s)
	c.login(k, "")
	for _, tt := range []struct {
		method string
		p      params
		code   int
		param  string
	}{
		{"private/create_api_key", params{"max_scope": "wallet:read"}, 13403, ""},
		{"private/create_api_key", params{"max_scope": "everything"}, -32602, "max_scope"},
		{"private/create_api_key", params{}, -32000, "max_scope"},
		{"private/create_api_key", params{"max_scope": "trade:read", "name": "name with spaces"}, -32602, "name"},
		{"private/create_api_key", params{"max_scope": "trade:read", "name": "seventeen_letters"}, -32602, "name"},
		{"private/change_api_key_name", params{"id": k.ID}, -32602, "name"},
		{"private/change_api_key_name", params{"id": k.ID, "name": ""}, -32602, "name"},
		{"private/change_scope_in_api_key", params{"id": k.ID, "max_scope": "trade:read_write"}, 13403, ""},
		{"private/remove_api_key", params{"id": 99}, 13020, ""},
	} {
		a := c.call(tt.method, tt.p)
		if a.code() != tt.code || (a.Error != nil && a.Error.Data.Param != tt.param) {
			t.Errorf("%s %v: %+v, want %d about %q", tt.method, tt.p, a.Error, tt.code, tt.param)
		}
	}
}

// TestKeysOfAnAccount: an account has room for 8 keys, other accounts' not counted, and a removed one makes room.
func TestKeysOfAnAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	admin := s.AddKey(deribittest.KeyConfig{})
	s.AddKey(deribittest.KeyConfig{Account: 2})
	c := dial(t, s)
	c.login(admin, "")
	wanted := params{"max_scope": "account:read"}
	var last apiKey
	for range 7 {
		last = result[apiKey](t, c.call("private/create_api_key", wanted))
	}
	if code := c.call("private/create_api_key", wanted).code(); code != 13008 {
		t.Errorf("the ninth key: code %d, want 13008", code)
	}
	result[string](t, c.call("private/remove_api_key", params{"id": last.ID}))
	result[apiKey](t, c.call("private/create_api_key", wanted))
}

func TestListAPIKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		cfg     deribittest.Config
		scope   string
		secrets bool
		max     string
	}{
		{"read_write sees secrets", deribittest.Config{}, "", true, `"account:read_write trade:read"`},
		{"read does not", deribittest.Config{}, "account:read", false, `"account:read_write trade:read"`},
		{"nobody does", deribittest.Config{ListHidesSecrets: true}, "", false, `"account:read_write trade:read"`},
		{"scope as a list", deribittest.Config{MaxScopeList: true}, "", true, `["account:read_write","trade:read"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tt.cfg)
			k := s.AddKey(deribittest.KeyConfig{Scope: "account:read_write trade:read"})
			s.AddKey(deribittest.KeyConfig{Account: 2})
			c := dial(t, s)
			c.login(k, tt.scope)
			list := result[[]apiKey](t, c.call("private/list_api_keys", params{}))
			if len(list) != 1 || list[0].ID != k.ID || string(list[0].MaxScope) != tt.max {
				t.Fatalf("list %+v", list)
			}
			if (list[0].ClientSecret == k.Secret) != tt.secrets || (list[0].ClientSecret == "") == tt.secrets {
				t.Errorf("secret shown: %v, want %v", list[0].ClientSecret != "", tt.secrets)
			}
		})
	}
}

type challenge struct {
	Required  bool                          `json:"security_key_authorization_required"`
	Keys      []struct{ Type, Name string } `json:"security_keys"`
	RPID      string                        `json:"rp_id"`
	Challenge string                        `json:"challenge"`
}

func TestSecondFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{SecondFactor: true})
		c := dialMemory(t, s, l)
		c.login(k, "")
		ask := func() string {
			t.Helper()
			got := result[challenge](t, c.call("private/reset_api_key", params{"id": k.ID}))
			if !got.Required || got.Challenge == "" || got.RPID != "test.deribit.com" || len(got.Keys) != 1 || got.Keys[0].Type != "tfa" {
				t.Fatalf("challenge %+v", got)
			}
			return got.Challenge
		}
		give := func(text string, code any) answer {
			t.Helper()
			return c.call("private/reset_api_key", params{"id": k.ID, "challenge": text, "authorization_data": code})
		}
		refused := func(a answer, reason string) {
			t.Helper()
			if a.code() != 13668 || a.Error.Data.Reason != reason {
				t.Errorf("%+v, want 13668 %s", a.Error, reason)
			}
		}

		refused(give(ask(), "wrong!"), "tfa_code_not_matched")
		refused(give(ask(), nil), "tfa_code_is_required")
		late := ask()
		pass(61 * time.Second)
		refused(give(late, s.SecondFactorCode(k.ID)), "challenge_timeout")
		refused(give("never given", s.SecondFactorCode(k.ID)), "challenge_timeout")
		if now, _ := s.Key(k.ID); now.Secret != k.Secret {
			t.Fatal("a refused reset had an effect")
		}

		code := s.SecondFactorCode(k.ID)
		fresh := result[apiKey](t, give(ask(), code))
		if fresh.ClientSecret == k.Secret || fresh.ID != k.ID {
			t.Errorf("reset %+v", fresh)
		}
		refused(give(ask(), code), "used_tfa_code")
		next := s.SecondFactorCode(k.ID)
		if next == code {
			t.Error("SecondFactorCode gives a code that was used")
		}
		once := ask()
		result[apiKey](t, give(once, next))
		refused(give(once, s.SecondFactorCode(k.ID)), "challenge_timeout")
		for _, secret := range []string{code, once} {
			if !slices.Contains(s.Secrets(), secret) {
				t.Errorf("Secrets lacks %q", secret)
			}
		}

		text := result[challenge](t, c.call("private/list_api_keys", params{})).Challenge
		refused(give(text, s.SecondFactorCode(k.ID)), "challenge_timeout") // it was for another method
	})
}

func TestSecondFactorAsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{SecondFactorError: true})
		admin := s.AddKey(deribittest.KeyConfig{})
		k := s.AddKey(deribittest.KeyConfig{SecondFactor: true})
		c := dialMemory(t, s, l)
		c.login(admin, "")
		a := c.call("private/reset_api_key", params{"id": k.ID})
		if a.code() != 13668 || a.Error.Data.Reason != "tfa_code_is_required" {
			t.Errorf("%+v, want 13668 tfa_code_is_required", a.Error)
		}
		p := params{"id": k.ID, "authorization_data": s.SecondFactorCode(k.ID)}
		if got := result[apiKey](t, c.call("private/reset_api_key", p)); got.ClientSecret == k.Secret {
			t.Error("no new secret")
		}
		if got := s.SecondFactorCode(99); got != "" {
			t.Errorf("code %q of a key that does not exist", got)
		}
	})
}

var connectionsClosed = deribittest.ResetProfile{TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply}

// A reset takes its effect though its caller is gone before the reply.
func TestResetWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var caller *client
		s, l := memoryServer(t, deribittest.Config{Reset: connectionsClosed, OnFrame: func(f deribittest.Frame) {
			if !f.Incoming && f.Method == "private/reset_api_key" {
				caller.ws.CloseNow() // the reply is about to be written
			}
		}})
		k := s.AddKey(deribittest.KeyConfig{})
		caller = dialMemory(t, s, l)
		other := dialMemory(t, s, l)
		for _, c := range []*client{caller, other} {
			c.login(k, "")
		}
		caller.start("private/reset_api_key", params{"id": k.ID})
		if code := other.closed(); code != websocket.StatusGoingAway {
			t.Errorf("close code %d, want going away", code)
		}
		if now, _ := s.Key(k.ID); now.Secret == k.Secret {
			t.Error("the key was not reset")
		}
	})
}

// With replies out of order too: what was called before the reset is answered before the sockets close, and the reset takes
// its effect though its caller leaves while the reply is held back.
func TestResetReordered(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			s, l := memoryServer(t, deribittest.Config{Reset: connectionsClosed, Reorder: true, Seed: seed})
			admin, k := s.AddKey(deribittest.KeyConfig{}), s.AddKey(deribittest.KeyConfig{})
			a, c := dialMemory(t, s, l), dialMemory(t, s, l)
			a.login(admin, "")
			c.login(k, "")
			id := c.start("private/get_access_log", nil)
			synctest.Wait()
			a.start("private/reset_api_key", params{"id": k.ID})
			synctest.Wait()
			a.ws.CloseNow()
			if code := c.closed(); code != websocket.StatusGoingAway {
				t.Errorf("seed %d: close code %d, want going away", seed, code)
			}
			if len(c.seen) != 1 || string(c.seen[0].ID) != id {
				t.Errorf("seed %d: seen before the close: %+v", seed, c.seen)
			}
		})
	}
}

func TestKeyHidesItsSecret(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, k.Secret) || !strings.Contains(text, k.ClientID) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}
