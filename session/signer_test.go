package session_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// asymmetricKey adds an Ed25519 key to the account that admin belongs to, as its user would.
func asymmetricKey(t *testing.T, admin *session.Session) (clientID string, private ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		ClientID string `json:"client_id"`
	}
	params := map[string]any{
		"max_scope":  "account:read trade:read_write",
		"public_key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}
	if err := admin.Call(t.Context(), "private/create_api_key", params, &made); err != nil {
		t.Fatal(err)
	}
	return made.ClientID, private
}

func newSigner(t *testing.T, key crypto.Signer) session.Signer {
	t.Helper()
	signer, err := session.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// TestAsymmetricKey authenticates with a key that has no secret, whatever the grant, over connections and in place.
func TestAsymmetricKey(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1})
	cfg := on(server, server.AddKey(deribittest.KeyConfig{}))
	clientID, private := asymmetricKey(t, dial(t, cfg))
	creds := session.Credentials{ClientID: clientID, Signer: newSigner(t, private), Generation: 1}
	cfg.Credentials = creds
	for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
		cfg.Grant = grant
		s := dial(t, cfg)
		for step, f := range map[string]func(context.Context) error{"Reauthenticate": s.Reauthenticate, "Reconnect": s.Reconnect} {
			if err := f(t.Context()); err != nil {
				t.Errorf("grant %d: %s: %v", grant, step, err)
			}
		}
		if err := s.Call(t.Context(), "private/get_open_orders", nil, nil); err != nil || s.ClientID() != clientID {
			t.Errorf("grant %d: %v as %s", grant, err, s.ClientID())
		}
	}
	cfg.Scope = "session:rescue"
	if token, err := session.Mint(t.Context(), cfg, creds); err != nil || token.IsZero() {
		t.Errorf("Mint: %v", err)
	}

	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	creds.Signer = newSigner(t, other)
	if err := session.TryCredentials(t.Context(), cfg, creds); !isA[*session.AuthError](err) {
		t.Errorf("with another key: %v, want an AuthError", err)
	}
}

// TestRSASignature verifies what leaves with the public half.
// Asks: ccxt#27140.
func TestRSASignature(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := newFar(t, nil)
	f.script = script{"public/auth": func(p *peer, r request) {
		var sent struct {
			Grant     string `json:"grant_type"`
			Timestamp int64  `json:"timestamp"`
			Nonce     string `json:"nonce"`
			Signature string `json:"signature"`
		}
		if err := json.Unmarshal(r.Params, &sent); err != nil || sent.Grant != "client_signature" {
			t.Errorf("%q: %v", r.Params, err)
		}
		digest := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n", sent.Timestamp, sent.Nonce))
		raw, err := base64.RawURLEncoding.DecodeString(sent.Signature)
		if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], raw) != nil {
			t.Errorf("signature %q is not the key's: %v", sent.Signature, err)
		}
		p.comply(r)
	}}
	cfg := scripted(f)
	cfg.Credentials = session.Credentials{ClientID: "rsa", Signer: newSigner(t, key)}
	dial(t, cfg)
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]crypto.Signer{
		"the key is nil":               nil,
		"takes Ed25519 and RSA":        curve,
		"an RSA key of 1024 bits: the": oldRSA{},
	} {
		if signer, err := session.NewSigner(key); signer != nil || !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("NewSigner = %v, want %q", err, want)
		}
	}
}

// oldRSA is a key in a module, too short.
type oldRSA struct{ crypto.Signer }

// Public implements crypto.Signer.
func (oldRSA) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
}

// TestSignerThatFails is a module that cannot be reached: nothing is sent, and the credentials are not to blame.
func TestSignerThatFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("module gone")
	for want, signer := range map[error]session.Signer{
		gone: func(context.Context, []byte) ([]byte, error) { return nil, gone },
		errors.New("the signer returned nothing"): func(context.Context, []byte) ([]byte, error) { return nil, nil },
	} {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.Credentials = session.Credentials{ClientID: "c", Signer: signer}
		_, err := session.Dial(t.Context(), cfg)
		if err == nil || isA[*session.AuthError](err) || err.Error() != "session: signer: "+want.Error() || f.count("public/auth") != 0 {
			t.Errorf("Dial: %v after %d authentications, want %v", err, f.count("public/auth"), want)
		}
		if _, err := session.Mint(t.Context(), cfg, session.Credentials{ClientID: "c", Signer: signer}); err == nil {
			t.Error("Mint succeeded")
		}
	}
}

func TestSecretAndSignerContradict(t *testing.T) {
	t.Parallel()
	cfg := scripted(newFar(t, nil))
	creds := cfg.Credentials.(session.Credentials)
	creds.Signer = func(context.Context, []byte) ([]byte, error) { return []byte("x"), nil }
	cfg.Credentials = creds
	if _, err := session.Dial(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "both a secret and a signer") {
		t.Errorf("Dial: %v", err)
	}
}

// TestSignerIsPrintedByNoVerb holds a private key in credentials, in and out of another struct.
func TestSignerIsPrintedByNoVerb(t *testing.T) {
	t.Parallel()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("K", ed25519.SeedSize)))
	creds := session.Credentials{ClientID: "c", Signer: newSigner(t, private)}
	hidden := struct{ creds session.Credentials }{creds}
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&printed, verb+verb, creds, hidden)
	}
	text, err := json.Marshal(creds)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(text)
	for _, form := range []string{"KKKK", "4b4b4b4b", "4B4B4B4B", "75 75 75 75", "0x4b, 0x4b"} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("%q is printed", form)
		}
	}
}
