package session

import (
	"context"
	"errors"
)

// Credentials are what a session authenticates with: an API key's client id, and its secret or what signs for it.
type Credentials struct {
	ClientID string
	// Secret is the key's client secret, or the private half of an asymmetric key: an Ed25519 key, or an RSA key of at least
	// 2048 bits, in the PEM of PKCS #8, unencrypted ("-----BEGIN PRIVATE KEY-----"). With a private key the session authenticates
	// by signature, whatever its Grant.
	Secret Secret
	// Signer is set in place of Secret for an asymmetric key whose private half never enters the process, or has no PEM. The session
	// then authenticates by signature, whatever its Grant. Package rotate refuses such a key: it cannot make the next one.
	Signer Signer `json:"-"`
	// Generation counts the secrets of the key: a greater one replaces a smaller. 0 is fine for a secret that is never
	// rotated.
	Generation uint64
}

// Credentials returns c: fixed credentials are a CredentialSource.
func (c Credentials) Credentials(context.Context) (Credentials, error) { return c, nil }

// A CredentialSource is asked at each authentication for the credentials to use. It is safe for concurrent use. It may
// block while a rotation is under way, until the new secret may be used or ctx ends.
type CredentialSource interface {
	Credentials(ctx context.Context) (Credentials, error)
}

// A NewerSource is a CredentialSource that can tell whether other credentials are to be expected: after the exchange has refused a
// generation it is asked for a newer one, and may block while one may come. If it returns none that is newer, the session takes the
// refusal for final. A source without Newer is asked for its Credentials again instead.
type NewerSource interface {
	CredentialSource
	Newer(ctx context.Context, refused uint64) (Credentials, error)
}

// newerThan asks a source after a refusal.
func newerThan(ctx context.Context, source CredentialSource, refused uint64) (Credentials, error) {
	if s, ok := source.(NewerSource); ok {
		return s.Newer(ctx, refused)
	}
	return source.Credentials(ctx)
}

var (
	errEmptyClientID = errors.New("the client id is empty")
	errEmptySecret   = errors.New("the secret is empty")
	errTwoProofs     = errors.New("there is both a secret and a signer")
)

func (c Credentials) validate() error {
	switch {
	case c.ClientID == "":
		return errEmptyClientID
	case c.Signer != nil && !c.Secret.IsZero():
		return errTwoProofs
	case c.Signer == nil && c.Secret.IsZero():
		return errEmptySecret
	case c.Secret.isPEM():
		_, err := c.Secret.PublicKey()
		return err
	}
	return nil
}

// signer is what signs for an asymmetric key, nil for a key with a secret.
func (c Credentials) signer() Signer {
	if c.Signer == nil && c.Secret.isPEM() {
		return c.Secret.sign
	}
	return c.Signer
}
