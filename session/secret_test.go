package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

const canary = "Canary-\"0xC0FFEE\"-secret"

// shapesOf holds the canary in every place where a struct, an interface or a container can hold it.
func shapesOf(s session.Secret) map[string]any {
	type exported struct{ Secret session.Secret }
	type unexported struct{ secret session.Secret }
	type unexportedPointer struct{ secret *session.Secret }
	type nested struct {
		inner *unexported
		list  []unexported
		any   any
	}
	creds := session.Credentials{ClientID: "id", Secret: s, Generation: 7}
	return map[string]any{
		"value":                         s,
		"pointer":                       &s,
		"exported field":                exported{s},
		"pointer to exported field":     &exported{s},
		"unexported field":              unexported{s},
		"pointer to unexported field":   &unexported{s},
		"unexported pointer":            unexportedPointer{&s},
		"slice":                         []session.Secret{s},
		"slice of unexported":           []unexported{{s}},
		"array":                         [1]session.Secret{s},
		"map value":                     map[string]session.Secret{"k": s},
		"map of pointers":               map[string]*session.Secret{"k": &s},
		"nested":                        nested{&unexported{s}, []unexported{{s}}, s},
		"credentials":                   creds,
		"pointer to credentials":        &creds,
		"config":                        session.Config{Credentials: creds},
		"params that carry it":          session.CredentialsParams(creds, "connection"),
		"the exchange's answer":         session.Token{AccessToken: s},
		"error of the kind that we use": fmt.Errorf("x: %w", &session.AuthError{ClientID: "id", Err: errors.New("refused")}),
	}
}

// sightings are the forms of the canary that text contains.
func sightings(text, secret string) []string {
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	quoted, _ := json.Marshal(secret)
	forms := map[string]string{
		"plain": secret, "hex": hex.EncodeToString([]byte(secret)), "decimal": decimal,
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "JSON": strings.Trim(string(quoted), `"`),
	}
	var seen []string
	for form, needle := range forms {
		if strings.Contains(strings.ToLower(text), strings.ToLower(needle)) {
			seen = append(seen, form)
		}
	}
	return seen
}

func TestSecretIsPrintedByNoVerb(t *testing.T) {
	t.Parallel()
	verbs := []string{"v", "T", "t", "b", "c", "d", "o", "O", "q", "x", "X", "U", "e", "E", "f", "F", "g", "G", "s", "p", "w", "!"}
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "# ", "20", ".3"}
	for name, shape := range shapesOf(session.NewSecret([]byte(canary))) {
		for _, verb := range verbs {
			for _, flag := range flags {
				format := "%" + flag + verb
				if seen := sightings(fmt.Sprintf(format, shape), canary); len(seen) > 0 {
					t.Errorf("%s under %q shows the secret as %v", name, format, seen)
				}
			}
		}
		if seen := sightings(fmt.Sprint(shape)+fmt.Sprintln(shape), canary); len(seen) > 0 {
			t.Errorf("%s under Sprint shows the secret as %v", name, seen)
		}
	}
}

func TestSecretIsPrintedByNoLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	handlers := map[string]slog.Handler{"text": slog.NewTextHandler(&out, nil), "json": slog.NewJSONHandler(&out, nil)}
	for kind, handler := range handlers {
		for name, shape := range shapesOf(session.NewSecret([]byte(canary))) {
			out.Reset()
			slog.New(handler).Info("m", slog.Any("a", shape), slog.Group("g", slog.Any("b", shape)))
			if out.Len() == 0 {
				t.Fatalf("%s wrote nothing", kind)
			}
			if seen := sightings(out.String(), canary); len(seen) > 0 {
				t.Errorf("slog %s shows %s as %v", kind, name, seen)
			}
		}
	}
}

func TestSecretIsEncodedByNoEncoder(t *testing.T) {
	t.Parallel()
	for name, shape := range shapesOf(session.NewSecret([]byte(canary))) {
		b, err := json.Marshal(shape)
		if err != nil {
			b = []byte(err.Error()) // a Config has fields that JSON cannot hold; the error must not tell either
		}
		if seen := sightings(string(b), canary); len(seen) > 0 {
			t.Errorf("json.Marshal shows %s as %v", name, seen)
		}
	}
}

func TestSecretRoundTrip(t *testing.T) {
	t.Parallel()
	source := []byte(canary)
	s := session.NewSecret(source)
	clear(source)
	if got := string(s.Reveal()); got != canary {
		t.Errorf("Reveal = %q, want what was given, also after the caller wiped it", got)
	}
	clear(s.Reveal())
	if got := string(s.Reveal()); got != canary {
		t.Errorf("Reveal after a wiped Reveal = %q, want a copy each time", got)
	}

	var decoded session.Secret
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(quoted, &decoded); err != nil || !decoded.Equal(s) {
		t.Errorf("Unmarshal: %v, equal %t", err, decoded.Equal(s))
	}
}

func TestSecretRefusesWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the placeholder": `"` + session.Redacted + `"`,
		"a number":        `12345678`,
		"an object":       `{"secret":"` + "Canary" + `"}`,
		"an array":        `["Canary"]`,
	} {
		s := session.NewSecret([]byte("old"))
		err := json.Unmarshal([]byte(text), &s)
		if err == nil {
			t.Errorf("Unmarshal of %s passed", name)
			continue
		}
		if strings.Contains(err.Error(), "Canary") || strings.Contains(err.Error(), "12345678") {
			t.Errorf("the error for %s quotes what was given: %v", name, err)
		}
		if string(s.Reveal()) != "old" {
			t.Errorf("Unmarshal of %s changed the secret", name)
		}
	}
	redacted, err := json.Marshal(session.NewSecret([]byte(canary)))
	if err != nil {
		t.Fatal(err)
	}
	var s session.Secret
	if err := json.Unmarshal(redacted, &s); err == nil {
		t.Error("a secret that was written redacted was read back as if it were one")
	}
}

func TestSecretEqualAndFingerprint(t *testing.T) {
	t.Parallel()
	a, b := session.NewSecret([]byte("a")), session.NewSecret([]byte("b"))
	var zero session.Secret
	for _, c := range []struct {
		name string
		x, y session.Secret
		want bool
	}{
		{"same bytes", a, session.NewSecret([]byte("a")), true},
		{"other bytes", a, b, false},
		{"prefix", a, session.NewSecret([]byte("aa")), false},
		{"zero and zero", zero, session.NewSecret(nil), true},
		{"zero and other", zero, a, false},
	} {
		if got := c.x.Equal(c.y); got != c.want {
			t.Errorf("%s: Equal = %t, want %t", c.name, got, c.want)
		}
		if got := c.x.Fingerprint() == c.y.Fingerprint(); got != c.want {
			t.Errorf("%s: fingerprints equal = %t, want %t", c.name, got, c.want)
		}
	}
	if zero.Fingerprint() != "" || !zero.IsZero() || a.IsZero() || zero.Reveal() != nil {
		t.Errorf("zero: fingerprint %q, IsZero %t, Reveal %v", zero.Fingerprint(), zero.IsZero(), zero.Reveal())
	}
	if got := a.Fingerprint(); got != "ca978112" { // SHA-256 of "a"
		t.Errorf("Fingerprint = %q, want the first eight hex digits of SHA-256", got)
	}
}

// TestSecretMethodsRedact calls what fmt, encoders and loggers call.
func TestSecretMethodsRedact(t *testing.T) {
	t.Parallel()
	s := session.NewSecret([]byte(canary))
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{
		"String": s.String(), "GoString": s.GoString(), "MarshalText": string(text), "LogValue": s.LogValue().String(),
	} {
		if got != session.Redacted {
			t.Errorf("%s = %q, want the placeholder", what, got)
		}
	}
}
