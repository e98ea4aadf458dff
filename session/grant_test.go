package session_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/session"
)

// TestSignatureVector is the vector of the exchange's article on authentication.
// Asks: ccxt#27140.
func TestSignatureVector(t *testing.T) {
	t.Parallel()
	creds := session.Credentials{ClientID: "AMANDA", Secret: session.NewSecret([]byte("AMANDASECRECT"))}
	got, err := session.SignatureOf(t.Context(), creds, time.UnixMilli(1576074319000), "1iqt2wls")
	if want := "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"; err != nil || got != want {
		t.Errorf("signature = %s, %v, want %s", got, err, want)
	}
}

func TestNonceIsFreshAndWellFormed(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z0-9]{8,32}$`)
	seen := map[string]bool{}
	for range 1000 {
		nonce := session.NewNonce()
		if !form.MatchString(nonce) || seen[nonce] {
			t.Fatalf("nonce %q: malformed, or seen before", nonce)
		}
		seen[nonce] = true
	}
}

func TestCredentialsParams(t *testing.T) {
	t.Parallel()
	creds := session.Credentials{ClientID: `i"d`, Secret: session.NewSecret([]byte("s\\e\"c\nret"))}
	b, err := session.CredentialsParams(creds, "connection trade:read").AppendJSON([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(b[1:], &got); err != nil {
		t.Fatalf("%v", err)
	}
	for key, want := range map[string]string{
		"grant_type": "client_credentials", "client_id": `i"d`, "client_secret": "s\\e\"c\nret", "scope": "connection trade:read",
	} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `\`, "\x00\x1f\x7f", "\u2028é€😀", "</script>", "\xff\xfe"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		quoted := session.AppendString([]byte("{"), b)
		if quoted[0] != '{' || !json.Valid(quoted[1:]) {
			t.Fatalf("%q became %q, which is not JSON", b, quoted)
		}
		var back string
		if err := json.Unmarshal(quoted[1:], &back); err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(b) && back != string(b) {
			t.Errorf("%q came back as %q", b, back)
		}
	})
}

func TestAskedScope(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                 "connection",
		"trade:read":                       "connection trade:read",
		"connection":                       "connection",
		"trade:read connection":            "trade:read connection",
		"session:md trade:read expires:60": "session:md trade:read expires:60",
		"expires:60":                       "connection expires:60",
		"sessions:none":                    "connection sessions:none",
	} {
		if got := session.AskedScope(given); got != want {
			t.Errorf("AskedScope(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestMissingScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, asked, granted string
		want                 []string
	}{
		{"nothing asked", "connection", "connection mainaccount trade:read", nil},
		{"all granted", "trade:read account:read", "account:read trade:read", nil},
		{"read is within read_write", "trade:read", "trade:read_write", nil},
		{"read_write is not within read", "trade:read_write", "trade:read", []string{"trade:read_write"}},
		{"one of two", "trade:read wallet:read", "trade:read", []string{"wallet:read"}},
		{"nothing granted", "trade:read account:read_write", "", []string{"trade:read", "account:read_write"}},
		{"what configures the token", "session:a expires:60 ip:* connection", "session:a", nil},
		{"none is not access", "wallet:none", "trade:read", nil},
		{"a name that only begins the same", "trade:read", "trade:readonly", []string{"trade:read"}},
	} {
		if got := session.MissingScope(c.asked, c.granted); !slices.Equal(got, c.want) {
			t.Errorf("%s: MissingScope(%q, %q) = %q, want %q", c.name, c.asked, c.granted, got, c.want)
		}
	}
}
