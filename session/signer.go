package session

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A Signer signs for an asymmetric key, whose private half stays where it is: in a module or in a service. Where it may be in this
// process's memory, [Credentials] take it as it is. A Signer is called once for each authentication, possibly by several sessions at
// once, and returns when ctx ends.
type Signer func(ctx context.Context, message []byte) (signature []byte, err error)

// minRSABits is the least that the exchange takes.
const minRSABits = 2048

// NewSigner returns the Signer of a private key: an [ed25519.PrivateKey], an [*rsa.PrivateKey] of at least 2048 bits, or
// whatever implements [crypto.Signer] with a public key of these kinds. It refuses others with [ErrConfig].
//
// The padding of RSA signatures is not documented: they are PKCS #1 v1.5 over SHA-256.
func NewSigner(key crypto.Signer) (Signer, error) {
	if key == nil {
		return nil, fmt.Errorf("%w: Signer: the key is nil", ErrConfig)
	}
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
		return func(_ context.Context, message []byte) ([]byte, error) {
			return key.Sign(rand.Reader, message, crypto.Hash(0))
		}, nil
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("%w: Signer: an RSA key of %d bits: the exchange takes %d or more", ErrConfig, bits, minRSABits)
		}
		return func(_ context.Context, message []byte) ([]byte, error) {
			digest := sha256.Sum256(message)
			return key.Sign(rand.Reader, digest[:], crypto.SHA256)
		}, nil
	default:
		return nil, fmt.Errorf("%w: Signer: a key of type %T: the exchange takes Ed25519 and RSA", ErrConfig, public)
	}
}

var errEmptySignature = errors.New("the signer returned nothing")

// sign asks for a signature that is not empty.
func (sign Signer) sign(ctx context.Context, message []byte) ([]byte, error) {
	signature, err := sign(ctx, message)
	if err == nil && len(signature) == 0 {
		err = errEmptySignature
	}
	if err != nil {
		return nil, fmt.Errorf("session: signer: %w", err)
	}
	return signature, nil
}
