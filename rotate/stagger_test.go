package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
)

// starts are when the sessions' re-authentications began, from the first on.
func starts(r rotate.Report) (all []time.Duration) {
	for _, s := range r.Sessions {
		all = append(all, s.Started.Sub(r.Sessions[0].Started))
	}
	return all
}

// TestStagger: sessions re-authenticate one after the other, however quick they are, so that the exchange and the program are never
// busy with many at once.
func TestStagger(t *testing.T) {
	for _, c := range []struct{ configured, between time.Duration }{
		{0, 100 * time.Millisecond}, {time.Second, time.Second}, {-1, 0},
	} {
		t.Run(c.configured.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				r := p.rotator(t, func(cfg *rotate.Config) { cfg.Stagger = c.configured })
				report, err := r.Rotate(t.Context())
				if err != nil || len(report.Sessions) != len(p.sessions) {
					t.Fatalf("%v, %v", report, err)
				}
				for i, at := range starts(report) {
					if want := time.Duration(i) * c.between; at != want {
						t.Errorf("session %d began after %v, want %v", i, at, want)
					}
				}
				settled(t, p)
			})
		})
	}
}

// TestStaggerIsForWhoNeedsIt: a session that has taken the new secret by itself, as one does whose call was refused, keeps nobody
// waiting.
func TestStaggerIsForWhoNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.AfterReset = func(ctx context.Context, _ rotate.APIKey) {
				for _, s := range p.sessions[1:] {
					if err := s.Reauthenticate(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
		began := time.Now()
		report, err := r.Rotate(t.Context())
		if took := time.Since(began); err != nil || took != 0 {
			t.Errorf("%v, %v after %v", report, err, took)
		}
		settled(t, p)
	})
}

// timed is a session that notes when it re-authenticates.
type timed struct {
	*fakeSession
	at []time.Time
}

func (s *timed) Reauthenticate(ctx context.Context) error {
	s.at = append(s.at, time.Now())
	return s.fakeSession.Reauthenticate(ctx)
}

// TestFollowerStaggers: the sessions of each process that shares the key take their turns.
func TestFollowerStaggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		one, two := &timed{fakeSession: p.sessions[0]}, &timed{fakeSession: p.sessions[1]}
		store := memstore.New()
		put(t, store, generationOf(2))
		p.secret = "CANARY-secret-2"
		f, err := rotate.NewFollower(rotate.Config{Keyring: p.keyring, Store: store, Sessions: rotate.Fleet(one, two)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if len(one.at) != 1 || len(two.at) != 1 || two.at[0].Sub(one.at[0]).Abs() != 100*time.Millisecond {
			t.Errorf("re-authenticated at %v and %v", one.at, two.at)
		}
	})
}

// TestCloseDoesNotStagger: who closes does not wait for turns.
func TestCloseDoesNotStagger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, func(cfg *rotate.Config) { cfg.Stagger = time.Hour })
		ended := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		if err := errors.Join(r.Close(t.Context()), <-ended); err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		settled(t, p)
	})
}
