package session_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// FuzzAuthReply compares what is taken from the answer to public/auth with what encoding/json reads under the exact names.
func FuzzAuthReply(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","refresh_token":"r","token_type":"bearer","expires_in":31536000,"scope":"connection mainaccount"}`,
		`{"access_token":"\u0061","expires_in":-1,"scope":null,"enabled_features":[]}`,
		`{"access_token":"a","ACCESS_TOKEN":"b","expires_in":-9223372037,"sid":"s"}`,
		`{"access_token":"a","access_token":"b","expires_in":9223372036854775807}`,
		`{"access_token":["a"]}`, `{"access_token":"[secret]"}`, `{"expires_in":1e3}`, `{"expires_in":NaN}`, `{"scope":7}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got session.Token
		err := json.Unmarshal(raw, &got)
		want, ok := tokenOf(raw)
		if (err == nil) != ok {
			t.Fatalf("%q: %v, but a token: %t", raw, err, ok)
		}
		if err != nil {
			wantUnquoted(t, raw, err)
			return
		}
		access, refresh := string(got.AccessToken.Reveal()), string(got.RefreshToken.Reveal())
		if access != want.access || refresh != want.refresh || got.Scope != want.scope || got.ExpiresIn != want.expires {
			t.Fatalf("%q: got %q, %q, %q, %d, want %+v", raw, access, refresh, got.Scope, got.ExpiresIn, want)
		}
		life, exact := session.LifeOf(got), float64(max(want.expires, 0))
		if now := time.Now(); life.Seconds() > exact || life.Seconds() < min(exact, 40*365*24*3600) || now.Add(life).UnixNano() < now.UnixNano() {
			t.Errorf("a life of %d s became %v", want.expires, life)
		}
	})
}

// answeredToken is a token as the judge reads it.
type answeredToken struct {
	access, refresh, scope string
	expires                int64
}

// tokenOf reads an answer by encoding/json's maps, whose names are exact.
func tokenOf(raw []byte) (tok answeredToken, ok bool) {
	var members map[string]any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if !json.Valid(raw) || dec.Decode(&members) != nil {
		return tok, false
	}
	ok = true
	text := func(name string) string {
		s, is := members[name].(string)
		ok = ok && (is || members[name] == nil)
		return s
	}
	tok = answeredToken{access: text("access_token"), refresh: text("refresh_token"), scope: text("scope")}
	ok = ok && tok.access != session.Redacted && tok.refresh != session.Redacted
	if expires := members["expires_in"]; expires != nil {
		n, is := expires.(json.Number)
		var err error
		tok.expires, err = n.Int64()
		ok = ok && is && err == nil
	}
	return tok, ok
}

// wantUnquoted checks that an error repeats no text of a message.
func wantUnquoted(t *testing.T, raw []byte, err error) {
	t.Helper()
	const long = 24 // no word of the errors' own has so many bytes
	for i := 0; i+long <= len(raw); i++ {
		if strings.Contains(err.Error(), string(raw[i:i+long])) {
			t.Fatalf("%q quotes %q", err, raw[i:i+long])
		}
	}
}
