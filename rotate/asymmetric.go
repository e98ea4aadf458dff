package rotate

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/holdfast-ws/holdfast/session"
)

// What is special to asymmetric keys, whose private half is where the secret of other keys is.

var (
	// errSigner is a keyring whose next private key another would have to make.
	errSigner = errors.New("its credentials have a Signer and no private key: such a key is replaced by hand: create the new key, " +
		"then give its credentials to the Keyring by Publish")
	// errNoReset is what becomes of a reset of an asymmetric key, of which the exchange documents nothing.
	errNoReset = errors.New("an asymmetric key has no secret to reset: set Config.Strategy to Replace")
	// errUnusable is an asymmetric key that is refused: no reset can be why.
	errUnusable = errors.New("rotate: the key is asymmetric: it was disabled or removed, or the private key is another's")
)

// isAsymmetric reports whether the keyring's key has a private half in place of a secret.
func (r *Rotator) isAsymmetric() bool {
	_, err := r.cfg.Keyring.Current().Secret.PublicKey()
	return err == nil
}

// newPrivateKey makes the private half of a new key. It is of Ed25519, which the exchange recommends.
func newPrivateKey() (session.Secret, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return session.Secret{}, fmt.Errorf("rotate: private key: %w", err)
	}
	defer clear(key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return session.Secret{}, fmt.Errorf("rotate: private key: %w", err)
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	return session.NewSecret(bytes.TrimSpace(text)), nil // as it is read from a file
}

// publicText is the public half of a private key as the exchange takes it, empty if there is no private key.
func publicText(private session.Secret) (string, error) {
	if private.IsZero() {
		return "", nil
	}
	public, err := private.PublicKey()
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("rotate: public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// isPublicHalf reports whether text, which is the exchange's, is the public half of a private key.
func isPublicHalf(text string, private session.Secret) bool {
	public, err := private.PublicKey()
	if err != nil {
		return false
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	theirs, err := x509.ParsePKIXPublicKey(block.Bytes)
	ours, ok := public.(interface {
		Equal(other crypto.PublicKey) bool
	})
	return err == nil && ok && ours.Equal(theirs)
}

// checkHalves sees that what the store has is what the key is used with.
func checkHalves(key APIKey, secret session.Secret) error {
	_, err := secret.PublicKey()
	switch {
	case key.PublicKey == "" && err == nil:
		return fmt.Errorf("key %d has a secret, and the store a private key: give the Keyring and the store the key's secret", key.ID)
	case key.PublicKey != "" && err != nil:
		return fmt.Errorf("key %d is asymmetric, and the store does not have its private half: %w", key.ID, err)
	case key.PublicKey != "" && !isPublicHalf(key.PublicKey, secret):
		return fmt.Errorf("key %d has another public key than belongs to the store's private key: give the Keyring and the store its own", key.ID)
	}
	return nil
}
