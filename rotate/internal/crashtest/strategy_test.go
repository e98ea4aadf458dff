package crashtest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// strategy is how a key is turned, and of which kind it is.
type strategy int

const (
	resetInPlace strategy = iota
	replaceSecret
	replaceEd25519
)

var strategies = []strategy{resetInPlace, replaceSecret, replaceEd25519}

func (s strategy) String() string {
	return [...]string{"reset in place", "replace", "replace of an Ed25519 key"}[s]
}

// config is the rotator's.
func (s strategy) config() rotate.Strategy {
	if s == resetInPlace {
		return rotate.ResetInPlace
	}
	return rotate.Replace
}

// newPair returns the halves of a key of this strategy, which are empty if it has a secret that the exchange makes.
func (s strategy) newPair() (p pair, err error) {
	if s != replaceEd25519 {
		return p, nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return p, err
	}
	ours, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return p, err
	}
	theirs, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return p, err
	}
	return pair{
		public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: theirs})),
		private: session.NewSecret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ours})),
	}, nil
}

// pair is an asymmetric key.
type pair struct {
	public  string // in PEM
	private session.Secret
}
