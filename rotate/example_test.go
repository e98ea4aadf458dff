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

	// Once: the secret goes into a store, and lives there from then on.
	path := filepath.Join(dir, "key")
	if _, err := filestore.Create(ctx, path, rotate.Record{
		ClientID: key.ClientID,
		Current:  rotate.Candidate{Secret: session.NewSecret([]byte(key.Secret)), Generation: 1},
	}); err != nil {
		return err
	}

	// At each start: the keyring hands to the sessions what the store has.
	store, err := filestore.Open(path)
	if err != nil {
		return err
	}
	record, err := store.Load(ctx)
	if err != nil {
		return err
	}
	keyring := rotate.NewKeyring(record.Credentials())

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

	var sessions []rotate.Session
	rotator, err := rotate.New(rotate.Config{
		Keyring:   keyring,
		Store:     store,
		Sessions:  func() []rotate.Session { return sessions },
		Authority: admin,
		Throwaway: session.Config{URL: exchange.URL()},
	})
	if err != nil {
		return err
	}
	defer rotator.Close(ctx)
	if _, err := rotator.Recover(ctx); err != nil { // what a crash has left; before that the store's secret may be dead
		return err
	}

	s, err := session.Dial(ctx, session.Config{URL: exchange.URL(), Credentials: keyring})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	sessions = append(sessions, s)

	report, err := rotator.Rotate(ctx) // or Run, on a schedule
	if err != nil {
		return err
	}
	fmt.Printf("%s: generation %d to %d, the session is at %d\n",
		report.Outcome, report.OldGeneration, report.NewGeneration, s.Generation())
	return nil
}
