package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
)

// slowStore is a store whose answers, which are of when it was asked, are long on their way.
type slowStore struct {
	*memstore.Store
	loads atomic.Int64
	cut   atomic.Int64 // those that ended with ctx
}

const onItsWay = 300 * time.Millisecond

func (s *slowStore) Load(ctx context.Context) (rotate.Record, error) {
	s.loads.Add(1)
	record, err := s.Store.Load(ctx)
	select {
	case <-time.After(onItsWay):
		return record, err
	case <-ctx.Done():
		s.cut.Add(1)
		return rotate.Record{}, ctx.Err()
	}
}

// slowlyFollowed is a Follower of a slow store.
func slowlyFollowed(t *testing.T) (store *slowStore, f *rotate.Follower, said *bytes.Buffer) {
	t.Helper()
	store, said = &slowStore{Store: memstore.New()}, &bytes.Buffer{}
	f, err := rotate.NewFollower(rotate.Config{
		Keyring: rotate.NewKeyring(generationOf(1).Credentials()), Store: store, Logger: exchangetest.Logger(said),
	})
	if err != nil {
		t.Fatal(err)
	}
	return store, f, said
}

// held is the lease of who is at work for a minute.
func held() rotate.Lease {
	return rotate.Lease{Owner: "other", Epoch: 1, Expires: time.Now().Add(time.Minute)}
}

// TestFollowerOfASlowStore: twenty logins at once wait for the end of a rotation, though that many Loads one after the other would take
// longer than one access may.
func TestFollowerOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, f, said := slowlyFollowed(t)
		put(t, store.Store, intended(generationOf(1), held()))
		var logins sync.WaitGroup
		for range 20 {
			logins.Go(func() {
				if got, err := f.Credentials(t.Context()); err != nil || got.Generation != 2 {
					t.Errorf("within a rotation: generation %d, %v", got.Generation, err)
				}
			})
		}
		<-time.After(20 * time.Second)
		put(t, store.Store, generationOf(2))
		saved := time.Now()
		logins.Wait()
		if took := time.Since(saved); took > 4*onItsWay {
			t.Errorf("the new secret was found after %v", took)
		}
		if said.Len() > 0 {
			t.Errorf("logged: %s", said)
		}
	})
}

// TestFollowerSharesNoOldAnswer: a login that comes while another's Load is on its way, of which it may be that a rotation has begun since,
// has one that began later; and who gives up takes nobody's Load along.
func TestFollowerSharesNoOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, f, said := slowlyFollowed(t)
		put(t, store.Store, generationOf(1))
		var logins sync.WaitGroup
		logins.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), onItsWay/2)
			defer cancel()
			if _, err := f.Credentials(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a login that has no time: %v", err)
			}
		})
		<-time.After(onItsWay / 3)
		put(t, store.Store, generationOf(2))
		for range 20 {
			logins.Go(func() {
				if got, err := f.Newer(t.Context(), 1); err != nil || got.Generation != 2 {
					t.Errorf("after a refusal: generation %d, %v", got.Generation, err)
				}
			})
		}
		logins.Wait()
		if n, cut := store.loads.Load(), store.cut.Load(); n != 2 || cut != 0 {
			t.Errorf("%d Loads, of which %d were given up", n, cut)
		}
		if said.Len() > 0 {
			t.Errorf("logged: %s", said)
		}
	})
}

// lateWatch is a store whose Watch tells of what it has seen a while ago.
type lateWatch struct {
	*slowStore
	seen chan rotate.Record
}

func (s *lateWatch) Watch(ctx context.Context) iter.Seq2[rotate.Record, error] {
	return func(yield func(rotate.Record, error) bool) {
		for {
			select {
			case r := <-s.seen:
				if !yield(r, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// TestFollowerRefusedBesideALateWatch: an intent stands while a secret is refused, and Run is told of a record from before it. That does not
// make the refusal the last word: the new secret is waited for.
func TestFollowerRefusedBesideALateWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lateWatch{&slowStore{Store: memstore.New()}, make(chan rotate.Record)}
		f, err := rotate.NewFollower(rotate.Config{Keyring: rotate.NewKeyring(generationOf(1).Credentials()), Store: store})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
		})
		put(t, store.Store, intended(generationOf(1), rotate.Lease{Epoch: 1}))
		running.Go(func() {
			<-time.After(onItsWay / 2)
			store.seen <- generationOf(1)
			<-time.After(time.Second)
			put(t, store.Store, generationOf(2))
		})
		if got, err := f.Newer(t.Context(), 1); err != nil || got.Generation != 2 {
			t.Errorf("generation %d, %v", got.Generation, err)
		}
		end()
		running.Wait()
	})
}
