package rotate_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// hanging is a store on a disk that does not answer for a while, whatever ctx says. What it was asked for happens when the disk is back.
type hanging struct {
	rotate.Store

	loads func() bool              // nil for never
	saves func(rotate.Record) bool // nil for never
	back  chan struct{}

	mu       sync.Mutex // protects the fields below
	now      int        // accesses under way
	greatest int        // that they ever were
}

func (s *hanging) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	s.greatest = max(s.greatest, s.now)
}

func (s *hanging) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
}

// counts returns how many accesses are under way, and were at most.
func (s *hanging) counts() (now, greatest int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.greatest
}

func (s *hanging) Load(ctx context.Context) (rotate.Record, error) {
	s.enter()
	defer s.leave()
	if s.loads != nil && s.loads() {
		<-s.back
		ctx = context.WithoutCancel(ctx)
	}
	return s.Store.Load(ctx)
}

func (s *hanging) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	s.enter()
	defer s.leave()
	if s.saves != nil && s.saves(record) {
		<-s.back
		ctx = context.WithoutCancel(ctx)
	}
	return s.Store.Save(ctx, record, ifVersion)
}

// hangs are the ways in which the store of a process can hang once the key has been reset.
var hangs = map[string]func(*process, *hanging){
	"save": func(_ *process, s *hanging) { s.saves = func(r rotate.Record) bool { return len(r.Candidates) > 0 } },
	"load": func(p *process, s *hanging) {
		s.loads = func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.resets > 0
		}
	},
}

// unsavedRotation begins a rotation whose store hangs after the reset, and wants the new secret to be told, and in the second store, when
// StoreTimeout has passed.
func unsavedRotation(t *testing.T, hang func(*process, *hanging)) (*process, *rotate.Rotator, *hanging, <-chan error) {
	t.Helper()
	p := newProcess(newWorld())
	store, spare := &hanging{Store: &memoryStore{p}, back: make(chan struct{})}, memstore.New()
	hang(p, store)
	told := make(chan rotate.APIKey, 1)
	r := p.rotator(t, func(cfg *rotate.Config) {
		cfg.Store, cfg.Spare, cfg.StoreTimeout = store, spare, 3*time.Second
		cfg.Hooks.OnUnsaved = func(_ context.Context, key rotate.APIKey, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("OnUnsaved: %v", err)
			}
			told <- key
		}
	})
	done := make(chan error, 1)
	go func() {
		_, err := r.Rotate(t.Context())
		done <- err
	}()
	<-time.After(3*time.Second + 200*time.Millisecond)
	synctest.Wait()
	now := session.NewSecret([]byte(p.secret))
	select {
	case key := <-told:
		if !key.Secret.Equal(now) {
			t.Error("told of another secret")
		}
	default:
		t.Error("nobody is told of the secret")
	}
	if kept, err := spare.Load(t.Context()); err != nil || !kept.Current.Secret.Equal(now) {
		t.Errorf("the second store: %v", err)
	}
	return p, r, store, done
}

// TestStoreThatHangs: a store does not return from what it is asked for after the reset. The secret is told and in the second store when
// StoreTimeout has passed, nobody asks the store again meanwhile, and Close is back when its ctx ends. When the disk is back the secret is
// there once.
func TestStoreThatHangs(t *testing.T) {
	for name, hang := range hangs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r, store, done := unsavedRotation(t, hang)
				<-time.After(time.Minute)
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				for _, err := range []error{r.Close(ctx), <-done} {
					unsaved, ok := errors.AsType[*rotate.UnsavedError](err)
					if !ok || !unsaved.Key.Secret.Equal(session.NewSecret([]byte(p.secret))) {
						t.Errorf("error: %v", err)
					}
				}
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("Close took %v", took)
				}
				if now, greatest := store.counts(); now != 1 || greatest != 1 {
					t.Errorf("%d accesses now, %d at once", now, greatest)
				}
				close(store.back)
				err := r.Close(t.Context())
				if now, _ := store.counts(); err != nil || now != 0 {
					t.Errorf("Close when the disk is back: %v, %d accesses", err, now)
				}
			})
		})
	}
}

// TestStoreThatHungIsBack: the rotation goes on where it was. The Save that was given up, and has happened, is not taken for another one.
func TestStoreThatHungIsBack(t *testing.T) {
	for name, hang := range hangs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r, store, done := unsavedRotation(t, hang)
				<-time.After(time.Minute)
				close(store.back)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if p.resets != 1 || len(p.record.Candidates) != 0 || p.record.Current.Generation != 2 {
					t.Errorf("after %d resets: %+v", p.resets, p.record)
				}
				settled(t, p)
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// settling is a context that has ended, at which whoever selects looks when all others have come to rest.
type settling struct{ context.Context }

func (c settling) Done() <-chan struct{} {
	synctest.Wait()
	return c.Context.Done()
}

// TestCloseWithAnEndedContext: it has the same answer each time, though there is nothing to wait for.
func TestCloseWithAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		r := newProcess(newWorld()).rotator(t, func(cfg *rotate.Config) { cfg.Spare = memstore.New() })
		for range 100 {
			if err := r.Close(settling{ended}); !errors.Is(err, context.Canceled) {
				t.Fatalf("with an ended context: %v", err)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
	})
}

// TestFollowerOfAStoreThatHangs: a login waits for StoreTimeout, or as long as it wants to, and those after it not at all.
func TestFollowerOfAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		store := &hanging{Store: memstore.New(), back: make(chan struct{}), loads: func() bool { return true }}
		f, err := rotate.NewFollower(rotate.Config{
			Keyring: p.keyring, Store: store, StoreTimeout: 3 * time.Second, Logger: exchangetest.Logger(io.Discard),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := f.Credentials(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
				t.Errorf("a login of one second: %v after %v", err, time.Since(began))
			}
			cancel()
		}
		<-time.After(2 * time.Second) // the one access is over StoreTimeout by then
		began := time.Now()
		for range 3 {
			if creds, err := f.Credentials(t.Context()); err != nil || creds.Generation != 1 {
				t.Errorf("%v, %v", creds, err)
			}
		}
		took := time.Since(began)
		if now, greatest := store.counts(); took != 0 || now != 1 || greatest != 1 {
			t.Errorf("the logins after it took %v, with %d accesses", took, greatest)
		}
		close(store.back)
		synctest.Wait()
		_, err = f.Credentials(t.Context())
		if now, _ := store.counts(); err != nil || now != 0 {
			t.Errorf("when the disk is back: %v, %d accesses", err, now)
		}
	})
}
