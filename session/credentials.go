package session

import "context"

// Credentials are what a session authenticates with: an API key's client id and secret.
type Credentials struct {
	ClientID string
	Secret   Secret
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
