package rotate_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// An asymmetric key is turned by a second one: the sessions move to it while both work, and the first is removed.
func Example_asymmetric() {
	if err := replaceOnce(); err != nil {
		log.Fatal(err)
	}
	// Output: rotated: the session has another client id: true, at generation 2, the old key is gone: true
}

func replaceOnce() error {
	ctx := context.Background()
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		return err
	}
	defer exchange.Close()
	private, public, err := ed25519Pair()
	if err != nil {
		return err
	}
	key := exchange.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: public})

	// The private half is the secret, in PEM: whatever holds a secret holds it too.
	first := rotate.Record{
		ClientID: key.ClientID,
		Current:  rotate.Candidate{Secret: session.NewSecret(private), Generation: 1},
	}
	store := memstore.New()
	if _, err := store.Save(ctx, first, 0); err != nil {
		return err
	}
	keyring := rotate.NewKeyring(first.Credentials())
	s, err := session.Dial(ctx, session.Config{URL: exchange.URL(), Credentials: keyring})
	if err != nil {
		return err
	}
	defer s.Close(ctx)

	rotator, err := rotate.New(rotate.Config{
		Strategy:  rotate.Replace,
		Overlap:   10 * time.Millisecond, // minutes, where other processes follow the store
		Keyring:   keyring,
		Store:     store,
		Sessions:  rotate.Fleet(s),
		Authority: s,
		Throwaway: session.Config{URL: exchange.URL()},
		SecondFactor: func(context.Context, rotate.Challenge) (string, error) {
			return exchange.SecondFactorCode(key.ID), nil
		},
	})
	if err != nil {
		return err
	}
	defer rotator.Close(ctx)
	report, err := rotator.Rotate(ctx)
	if err != nil {
		return err
	}
	_, still := exchange.Key(key.ID)
	fmt.Printf("%s: the session has another client id: %t, at generation %d, the old key is gone: %t\n",
		report.Outcome, s.ClientID() != key.ClientID, s.Generation(), !still)
	return nil
}

// ed25519Pair makes what "openssl genpkey -algorithm ed25519" and "openssl pkey -pubout" print.
func ed25519Pair() (private []byte, public string, err error) {
	publicKey, privateKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(privateKey)
	if err != nil {
		return nil, "", err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(publicKey)
	if err != nil {
		return nil, "", err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})), nil
}
