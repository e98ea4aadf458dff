package session

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// armour is in every PEM, and in no secret that the exchange makes.
const armour = "-----BEGIN "

// isPEM reports whether the secret is a key of some kind, which must not be sent as a secret would be.
func (s Secret) isPEM() bool { return bytes.Contains(s.bytes(), []byte(armour)) }

// errPrivateKey quotes nothing of what is no private key.
var errPrivateKey = fmt.Errorf("%w: Secret: it is no private key that the exchange takes: want the PEM of Ed25519, or of RSA with %d bits or more, "+
	`that begins with "-----BEGIN PRIVATE KEY-----": openssl pkcs8 -topk8 -nocrypt -in FILE makes it of a key that is encrypted or in an older form`,
	ErrConfig, minRSABits)

// PublicKey returns the public half of an asymmetric API key whose private half the Secret is: an [ed25519.PublicKey] or an
// [*rsa.PublicKey]. For any other Secret it returns an error that matches [ErrConfig].
func (s Secret) PublicKey() (crypto.PublicKey, error) {
	key, err := s.privateKey()
	if err != nil {
		return nil, err
	}
	defer wipe(key)
	return key.Public(), nil
}

// privateKey is the one key that the secret holds, in PEM, for the caller to wipe.
func (s Secret) privateKey() (crypto.Signer, error) {
	text := bytes.TrimSpace(s.bytes())
	if !bytes.HasPrefix(text, []byte(armour)) {
		return nil, errPrivateKey
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errPrivateKey
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(crypto.Signer)
	if err != nil || !ok || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, errPrivateKey
	}
	if _, err := NewSigner(key); err != nil {
		wipe(key)
		return nil, errPrivateKey
	}
	return key, nil
}

// wipe overwrites a private key, but for the numbers of an RSA key: their package keeps copies out of reach.
func wipe(key crypto.Signer) {
	if private, ok := key.(ed25519.PrivateKey); ok {
		clear(private)
	}
}

// sign is a Signer that has the private key for as long as it takes.
func (s Secret) sign(ctx context.Context, message []byte) ([]byte, error) {
	key, err := s.privateKey()
	if err != nil {
		return nil, err
	}
	defer wipe(key)
	sign, err := NewSigner(key)
	if err != nil {
		return nil, err
	}
	return sign(ctx, message)
}
