package deribittest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// publicPEM is the public half of a key as the exchange takes it.
func publicPEM(t *testing.T, public crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestAsymmetricKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, deribittest.Config{})
	admin := dial(t, s)
	admin.login(s.AddKey(deribittest.KeyConfig{}), "")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []struct {
		text string
		sign func(message []byte) ([]byte, error)
	}{
		{publicPEM(t, public), func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }},
		{publicPEM(t, &long.PublicKey), func(message []byte) ([]byte, error) {
			sum := sha256.Sum256(message)
			return rsa.SignPKCS1v15(nil, long, crypto.SHA256, sum[:])
		}},
	} {
		made := result[apiKey](t, admin.call("private/create_api_key", params{"max_scope": "account:read", "public_key": kind.text}))
		if made.PublicKey != kind.text || len(made.ClientSecret) != 32 {
			t.Errorf("created %+v, want the public key and an MD5 fingerprint", made)
		}
		added := s.AddKey(deribittest.KeyConfig{PublicKey: kind.text})
		if added.PublicKey != kind.text || added.Secret != made.ClientSecret {
			t.Errorf("added %v with %q, %q", added, added.PublicKey, added.Secret)
		}
		for _, clientID := range []string{made.ClientID, added.ClientID} {
			signs(t, s, clientID, kind.sign)
		}
		c := dial(t, s)
		p := params{"grant_type": "client_credentials", "client_id": made.ClientID, "client_secret": made.ClientSecret}
		if code := c.call("public/auth", p).code(); code != 13004 {
			t.Errorf("fingerprint as secret: code %d, want 13004", code)
		}
		if code := admin.call("private/reset_api_key", params{"id": made.ID}).code(); code != 13008 {
			t.Errorf("reset: code %d, want 13008", code)
		}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	for _, bad := range []string{"no", publicPEM(t, &curve.PublicKey), publicPEM(t, short)} {
		if code := admin.call("private/create_api_key", params{"max_scope": "account:read", "public_key": bad}).code(); code != -32602 {
			t.Errorf("bad public key: code %d, want -32602", code)
		}
	}
}

// signs fails the test unless the exchange takes a signature of the key, and of it alone what was signed.
func signs(t *testing.T, s *deribittest.Server, clientID string, sign func([]byte) ([]byte, error)) {
	t.Helper()
	ts := time.Now().UnixMilli()
	signature, err := sign(fmt.Appendf(nil, "%d\nabc\n", ts))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s)
	for nonce, want := range map[string]int{"abc": 0, "abd": 13004} {
		p := params{
			"grant_type": "client_signature", "client_id": clientID, "timestamp": ts, "nonce": nonce,
			"signature": base64.RawURLEncoding.EncodeToString(signature),
		}
		if code := c.call("public/auth", p).code(); code != want {
			t.Errorf("signature of abc with nonce %s: code %d, want %d", nonce, code, want)
		}
	}
}
