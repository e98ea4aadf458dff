package deribittest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/md5" //nolint:gosec // the exchange's fingerprint of a public key
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
)

// publicKey is what the exchange has of an asymmetric key.
type publicKey struct {
	text   string // as it was given
	der    []byte
	parsed crypto.PublicKey // of Ed25519 or RSA
}

// minRSABits is the least that the exchange takes.
const minRSABits = 2048

// parsePublicKey reads a public key in PEM.
func parsePublicKey(text string) (*publicKey, bool) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, false
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, false
	}
	switch public := parsed.(type) {
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return nil, false
		}
	default:
		return nil, false
	}
	return &publicKey{text: text, der: block.Bytes, parsed: parsed}, true
}

// fingerprint is what client_secret holds for a key without a secret. Of what the MD5 is taken is not documented.
func (p *publicKey) fingerprint() string {
	sum := md5.Sum(p.der) //nolint:gosec // as documented
	return hex.EncodeToString(sum[:])
}

// signed reports whether value is the key's signature of text. The padding of RSA is not documented.
func (p *publicKey) signed(text, value string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return false
	}
	switch public := p.parsed.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(text), raw)
	case *rsa.PublicKey:
		digest := sha256.Sum256([]byte(text))
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], raw) == nil
	}
	return false
}

// setPublicKey has the key sign with a private key instead of a secret.
func (k *key) setPublicKey(p *publicKey) { k.public, k.secret = p, p.fingerprint() }

// publicText is the public key in PEM, empty for a key with a secret.
func (k *key) publicText() string {
	if k.public == nil {
		return ""
	}
	return k.public.text
}
