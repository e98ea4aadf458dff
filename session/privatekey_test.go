package session_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// The pair of RFC 8410, section 10.
const (
	publishedPrivate = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
	publishedPublic  = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
)

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pemPair are both halves of a key as they stand in files.
func pemPair(t *testing.T, key crypto.Signer) (private, public string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	derPublic, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pemText("PRIVATE KEY", der), pemText("PUBLIC KEY", derPublic)
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPrivateKeyAsSecret authenticates with a private key in the place of a secret, whatever the grant, over connections and in place,
// and has neither it nor any part of it leave or be logged.
func TestPrivateKeyAsSecret(t *testing.T) {
	t.Parallel()
	long, longPublic := pemPair(t, newRSA(t))
	for name, pair := range map[string]struct{ private, public string }{
		"Ed25519":             {publishedPrivate, publishedPublic},
		"without a last line": {strings.TrimSpace(publishedPrivate), publishedPublic},
		"in white space":      {"\n " + strings.ReplaceAll(publishedPrivate, "\n", "\r\n") + "\r\n", publishedPublic},
		"RSA":                 {long, longPublic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			var mu sync.Mutex // protects said
			server := newServer(t, deribittest.Config{Tick: -1, OnFrame: func(f deribittest.Frame) {
				mu.Lock()
				defer mu.Unlock()
				said.Write(f.Data)
			}})
			var logs strings.Builder
			cfg := on(server, server.AddKey(deribittest.KeyConfig{PublicKey: pair.public}))
			cfg.Logger = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
			creds := cfg.Credentials.(session.Credentials)
			creds.Secret = session.NewSecret([]byte(pair.private))
			cfg.Credentials = creds
			for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
				cfg.Grant = grant
				authenticateAll(t, cfg, creds)
			}
			mu.Lock()
			defer mu.Unlock()
			if said.Len() == 0 {
				t.Error("no frame was seen")
			}
			showsNoKey(t, pair.private, said.String()+logs.String())
		})
	}
}

// authenticateAll uses the credentials in every way that a session can.
func authenticateAll(t *testing.T, cfg session.Config, creds session.Credentials) {
	t.Helper()
	s, err := session.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("grant %d: %v", cfg.Grant, err)
	}
	for step, f := range map[string]func(context.Context) error{"Reauthenticate": s.Reauthenticate, "Reconnect": s.Reconnect} {
		if err := f(t.Context()); err != nil {
			t.Errorf("grant %d: %s: %v", cfg.Grant, step, err)
		}
	}
	if err := s.Call(t.Context(), "private/get_open_orders", nil, nil); err != nil || s.ClientID() != creds.ClientID {
		t.Errorf("grant %d: %v as %s", cfg.Grant, err, s.ClientID())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := session.TryCredentials(t.Context(), cfg, creds); err != nil {
		t.Errorf("grant %d: TryCredentials: %v", cfg.Grant, err)
	}
	cfg.Scope = "session:rescue"
	if token, err := session.Mint(t.Context(), cfg, creds); err != nil || token.IsZero() {
		t.Errorf("grant %d: Mint: %v", cfg.Grant, err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := pemPair(t, other)
	creds.Secret = session.NewSecret([]byte(private))
	if err := session.TryCredentials(t.Context(), cfg, creds); !isA[*session.AuthError](err) {
		t.Errorf("grant %d: with another key: %v, want an AuthError", cfg.Grant, err)
	}
}

// showsNoKey fails the test if text has a part of a private key, in its PEM or out of it.
func showsNoKey(t *testing.T, private, text string) {
	t.Helper()
	block, _ := pem.Decode([]byte(strings.TrimSpace(private)))
	if block == nil {
		t.Fatal("no PEM")
	}
	const window = 12 // bytes, and digits of base64
	der := block.Bytes[16:]
	encoded := base64.StdEncoding.EncodeToString(block.Bytes)[24:] // what is before says of which kind the key is
	for at := 0; at+window <= len(der); at += window {
		part := der[at : at+window]
		for form, needle := range map[string]string{
			"plain": string(part), "hex": hex.EncodeToString(part), "decimal": strings.Trim(fmt.Sprintf("%d", part), "[]"),
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(needle)) {
				t.Fatalf("bytes %d of the private key are shown: %s", at, form)
			}
		}
	}
	for at := 0; at+window <= len(encoded); at += window {
		if strings.Contains(text, encoded[at:at+window]) {
			t.Fatalf("digits %d of the private key's base64 are shown", at)
		}
	}
}

// TestPrivateKeyIsPrintedByNoVerb prints a private key as TestSecretIsPrintedByNoVerb does a secret.
func TestPrivateKeyIsPrintedByNoVerb(t *testing.T) {
	t.Parallel()
	for name, shape := range shapesOf(session.NewSecret([]byte(publishedPrivate))) {
		var printed strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% x", "%X", "%d"} {
			fmt.Fprintf(&printed, verb, shape)
		}
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("m", slog.Any("a", shape))
		t.Run(name, func(t *testing.T) { showsNoKey(t, publishedPrivate, printed.String()) })
	}
}

// TestPublicKey is the half that the exchange is given.
func TestPublicKey(t *testing.T) {
	t.Parallel()
	key := newRSA(t)
	private, _ := pemPair(t, key)
	if public, err := session.NewSecret([]byte(private)).PublicKey(); err != nil || !key.PublicKey.Equal(public) {
		t.Errorf("of RSA: %v, %v", public, err)
	}
	secret := session.NewSecret([]byte(publishedPrivate))
	for range 2 { // what is wiped is a copy
		public, err := secret.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil || pemText("PUBLIC KEY", der) != publishedPublic {
			t.Errorf("of Ed25519: %v, %v", public, err)
		}
	}
	for _, none := range []session.Secret{{}, session.NewSecret([]byte("AMANDASECRECT"))} {
		if public, err := none.PublicKey(); public != nil || !errors.Is(err, session.ErrConfig) {
			t.Errorf("of no private key: %v, %v", public, err)
		}
	}
}

// TestPrivateKeyRefused: what is a key, and none that the exchange takes, is neither sent as a secret nor quoted, and the error tells
// the next step.
func TestPrivateKeyRefused(t *testing.T) {
	t.Parallel()
	long := newRSA(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Split(publishedPrivate, "\n")[1]
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pemText("PRIVATE KEY", der)
	}
	for name, text := range map[string]string{
		"encrypted":     "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + body + "\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"old encrypted": "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA" + body + "\n-----END PRIVATE KEY-----\n",
		"PKCS #1":       pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(long)),
		"ECDSA":         pkcs8(curve),
		"X25519":        pkcs8(exchange),
		"short":         pkcs8(short),
		"public":        publishedPublic,
		"two":           publishedPrivate + publishedPrivate,
		"truncated":     publishedPrivate[:60],
		"text before":   "Bag Attributes\n" + publishedPrivate,
		"text after":    publishedPrivate + body,
	} {
		for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
			f := newFar(t, nil)
			cfg := scripted(f)
			creds := session.Credentials{ClientID: "c", Secret: session.NewSecret([]byte(text))}
			cfg.Grant, cfg.Credentials = grant, creds
			_, err := session.Dial(t.Context(), cfg)
			if !errors.Is(err, session.ErrConfig) || !isA[*session.AuthError](err) || f.count("public/auth") != 0 {
				t.Errorf("%s: Dial: %v after %d authentications", name, err, f.count("public/auth"))
				continue
			}
			if !strings.Contains(err.Error(), "openssl pkcs8 -topk8 -nocrypt") || strings.Contains(err.Error(), body[8:20]) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := session.Mint(t.Context(), cfg, creds); !errors.Is(err, session.ErrConfig) || f.count("public/auth") != 0 {
				t.Errorf("%s: Mint: %v", name, err)
			}
		}
	}
}
