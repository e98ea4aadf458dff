package deribittest_test

import (
	"encoding/json"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
)

func TestResetProfileText(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for p := range deribittest.ResetProfiles() {
		text, err := json.Marshal(map[string]deribittest.ResetProfile{"reset": p})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]deribittest.ResetProfile
		if err := json.Unmarshal(text, &back); err != nil || back["reset"] != p {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
		seen[p.String()] = true
	}
	if len(seen) != 12 || !seen["tokens-revoked,subscriptions-dropped,connections-closed-before-reply"] {
		t.Errorf("%d profiles: %v", len(seen), seen)
	}
	for range deribittest.ResetProfiles() {
		break // it can be stopped
	}
	odd := deribittest.ResetProfile{Connections: 9}
	if text, err := odd.MarshalText(); err == nil || odd.String() != "tokens-kept,subscriptions-kept,ResetConnections(9)" {
		t.Errorf("%s was marshalled as %s", odd, text)
	}
}

func TestParseResetProfile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]deribittest.ResetProfile{
		"tokens-kept":           {},
		"tokens-revoked":        {TokensRevoked: true},
		"sockets-closed":        {TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
		"subscriptions-dropped": {SubscriptionsDropped: true},
		"connections-closed-before-reply,tokens-revoked": {TokensRevoked: true, Connections: deribittest.ConnectionsClosedBeforeReply},
	} {
		if got, err := deribittest.ParseResetProfile(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "tokens-lost", "tokens-kept,", "tokens-kept,tokens-revoked", "tokens-kept,tokens-kept", "tokens-kept, connections-kept",
		"sockets-closed,tokens-kept", "ResetConnections(9)",
	} {
		p := deribittest.ResetProfile{TokensRevoked: true}
		if err := p.UnmarshalText([]byte(text)); err == nil || p != (deribittest.ResetProfile{TokensRevoked: true}) {
			t.Errorf("%q was taken as %v", text, p)
		}
	}
}

// What the text form reads, it writes as a text that means the same.
func FuzzParseResetProfile(f *testing.F) {
	f.Add("sockets-closed")
	f.Add("tokens-revoked,connections-closed-before-reply")
	f.Add("subscriptions-dropped,,tokens-kept")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := deribittest.ParseResetProfile(text)
		if err != nil {
			return
		}
		if back, err := deribittest.ParseResetProfile(p.String()); err != nil || back != p {
			t.Errorf("%q is %v, and that %v, %v", text, p, back, err)
		}
	})
}

// With the switch, only a connection whose authentication has ended takes a login; a refresh passes as ever.
func TestReauthRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{ReauthRefused: true, Reset: deribittest.ResetProfile{TokensRevoked: true}})
	admin, k := s.AddKey(deribittest.KeyConfig{}), s.AddKey(deribittest.KeyConfig{})
	a, c := dial(t, s), dial(t, s)
	a.login(admin, "")
	got := c.login(k, "")
	login := func() int {
		return c.call("public/auth", params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": k.Secret}).code()
	}
	if code := login(); code != 13008 {
		t.Errorf("a second login: code %d, want 13008", code)
	}
	refreshed := c.call("public/auth", params{"grant_type": "refresh_token", "refresh_token": got.RefreshToken})
	if refreshed.code() != 0 || c.call("private/get_access_log", nil).code() != 0 {
		t.Errorf("a refresh: code %d", refreshed.code())
	}
	k.Secret = result[apiKey](t, a.call("private/reset_api_key", params{"id": k.ID})).ClientSecret
	if code := login(); code != 0 {
		t.Errorf("a login once the tokens are revoked: code %d", code)
	}
}

// With the switch, a refused login leaves the connection without an authority, though its channels and tokens live.
func TestFailedAuthDeauthenticates(t *testing.T) {
	t.Parallel()
	for deauthenticates, want := range map[bool]int{false: 0, true: 13009} {
		s := newServer(t, deribittest.Config{FailedAuthDeauthenticates: deauthenticates})
		k := s.AddKey(deribittest.KeyConfig{})
		c := dial(t, s)
		got := c.login(k, "")
		c.channels("private/subscribe", log)
		wrong := params{"grant_type": "client_credentials", "client_id": k.ClientID, "client_secret": "wrong"}
		if code := c.call("public/auth", wrong).code(); code != 13004 {
			t.Errorf("a wrong secret: code %d", code)
		}
		if code := c.call("private/get_access_log", nil).code(); code != want {
			t.Errorf("FailedAuthDeauthenticates %v: code %d, want %d", deauthenticates, code, want)
		}
		if code := c.call("private/get_access_log", params{"access_token": got.AccessToken}).code(); code != 0 {
			t.Errorf("FailedAuthDeauthenticates %v: the token: code %d", deauthenticates, code)
		}
		c.notification(log)
		c.login(k, "")
		if code := c.call("private/get_access_log", nil).code(); code != 0 {
			t.Errorf("FailedAuthDeauthenticates %v: after a login: code %d", deauthenticates, code)
		}
	}
}
