package rotate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/session"
)

func Example() {
	if err := rotateOnce(); err != nil {
		log.Fatal(err)
	}
	// Output: rotated: generation 1 to 2, the session is at 2
}

func rotateOnce() error {
	ctx := context.Background()
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		return err
	}
	defer exchange.Close()
	key := exchange.AddKey(deribittest.KeyConfig{Name: "trader"})

	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	// The secret lives in the store. The keyring hands it to the sessions.
	first := rotate.Record{
		ClientID: key.ClientID,
		Current:  rotate.Candidate{Secret: session.NewSecret([]byte(key.Secret)), Generation: 1},
	}
	store, err := filestore.Create(ctx, filepath.Join(dir, "key"), first)
	if err != nil {
		return err
	}
	keyring := rotate.NewKeyring(first.Credentials())
	s, err := session.Dial(ctx, session.Config{URL: exchange.URL(), Credentials: keyring})
	if err != nil {
		return err
	}
	defer s.Close(ctx)

	// A session of a second key resets the first: it could do so again if the answer were lost.
	second := exchange.AddKey(deribittest.KeyConfig{Name: "admin"})
	admin, err := session.Dial(ctx, session.Config{
		URL:         exchange.URL(),
		Credentials: session.Credentials{ClientID: second.ClientID, Secret: session.NewSecret([]byte(second.Secret))},
	})
	if err != nil {
		return err
	}
	defer admin.Close(ctx)

	rotator, err := rotate.New(rotate.Config{
		Keyring:   keyring,
		Store:     store,
		Sessions:  rotate.Fleet(s),
		Authority: admin,
		Throwaway: session.Config{URL: exchange.URL()},
	})
	if err != nil {
		return err
	}
	defer rotator.Close(ctx)
	report, err := rotator.Rotate(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: generation %d to %d, the session is at %d\n",
		report.Outcome, report.OldGeneration, report.NewGeneration, s.Generation())
	return nil
}
