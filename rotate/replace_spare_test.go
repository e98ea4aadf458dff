package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// full is a store that has no room for a secret that was received.
type full struct{ rotate.Store }

func (s full) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if len(record.Candidates) > 0 {
		return 0, errors.New("full")
	}
	return s.Store.Save(ctx, record, ifVersion)
}

// TestReplaceThenSpare replaces a key, and then has a process that resets the new one keep its secret in the spare store alone, and
// die: the next one finds it there, whether the spare store is empty at first or has a secret of the key that was replaced.
func TestReplaceThenSpare(t *testing.T) {
	for name, generations := range map[string][]uint64{"empty": nil, "used": {1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replaceThenSpare(t, generations...) })
		})
	}
}

// replaceThenSpare begins with a spare store that has a secret of each of those generations.
func replaceThenSpare(t *testing.T, generations ...uint64) {
	t.Helper()
	revoking := deribittest.Config{Tick: -1, Reset: deribittest.ResetProfile{TokensRevoked: true}}
	b, template := memoryBench(t, revoking, deribittest.KeyConfig{Name: "trader"})
	defer b.close(t)
	spare := memstore.New()
	for _, generation := range generations {
		earlier := rotate.Candidate{Secret: session.NewSecret([]byte("earlier")), Generation: generation}
		if _, err := spare.Save(t.Context(), rotate.Record{KeyID: b.key.ID, ClientID: b.key.ClientID, Current: earlier}, 0); err != nil {
			t.Fatal(err)
		}
	}
	b.replacing(t, b.store, template)
	if _, err := b.rotator.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.replaced(t, 2)
	dying := b.second(t, template, func(c *rotate.Config) {
		c.Strategy, c.Spare, c.Store, c.AcceptLockout = rotate.ResetInPlace, spare, full{b.store}, true
	})
	done := make(chan error, 1)
	go func() {
		_, err := dying.Rotate(t.Context())
		done <- err
	}()
	<-time.After(10 * time.Second)
	killed, kill := context.WithCancel(t.Context())
	kill()
	if err := dying.Close(killed); err == nil {
		t.Error("closed, with a secret that is in no store")
	}
	if _, unsaved := errors.AsType[*rotate.UnsavedError](<-done); !unsaved {
		t.Error("the secret is in the store")
	}
	<-time.After(2 * time.Minute) // the lease of the dead
	next := b.second(t, template, func(c *rotate.Config) {
		c.Strategy, c.Spare, c.AcceptLockout = rotate.ResetInPlace, spare, true
	})
	if report, err := next.Recover(t.Context()); err != nil {
		t.Errorf("%v, %v", report.Outcome, err)
	}
	if err := next.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if now, _ := b.server.Key(b.key.ID); !b.keyring.Current().Secret.Equal(session.NewSecret([]byte(now.Secret))) {
		t.Error("the keyring has another secret than the exchange")
	}
}
