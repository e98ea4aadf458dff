package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// move gives the bench another store, in the file of that name, and a rotator that uses it.
func (b *bench) move(t *testing.T, path string, throwaway session.Config) {
	t.Helper()
	record, err := b.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.store, err = filestore.Create(t.Context(), path, record); err != nil {
		t.Fatal(err)
	}
	if err := b.rotator.Close(t.Context()); err != nil {
		t.Error(err)
	}
	b.rotator, err = rotate.New(rotate.Config{
		Keyring: b.keyring, Store: b.store, Sessions: rotate.Fleet(b.fleet...), Throwaway: throwaway,
		AcceptLockout: true,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// follower is a process that does not rotate: it has a handle of its own on the rotator's file, and sessions.
type follower struct {
	*rotate.Follower

	keyring *rotate.Keyring
	fleet   []*session.Session
	said    *syncBuffer
	running sync.WaitGroup
	end     context.CancelFunc
	ended   error // of Run
}

// newFollower has the process run.
func newFollower(t *testing.T, path string, template session.Config) *follower {
	t.Helper()
	store, err := filestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{keyring: rotate.NewKeyring(first.Credentials()), said: &syncBuffer{}}
	f.Follower, err = rotate.NewFollower(rotate.Config{
		Keyring: f.keyring, Store: store, Logger: exchangetest.Logger(f.said),
		Sessions: func() []rotate.Session { return rotate.Fleet(f.fleet...)() },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		cfg := template
		cfg.Name, cfg.Credentials = fmt.Sprintf("follower%d", i), f
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		f.fleet = append(f.fleet, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.end = cancel
	f.running.Go(func() { f.ended = f.Run(ctx) })
	return f
}

func (f *follower) close(t *testing.T) {
	t.Helper()
	f.end()
	f.running.Wait()
	if !errors.Is(f.ended, context.Canceled) {
		t.Errorf("Run: %v", f.ended)
	}
	for _, s := range f.fleet {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(f.said.String(), "level=WARN") {
		t.Errorf("logged: %s", f.said)
	}
}

// check wants every session at the generation, with calls that the exchange takes.
func (f *follower) check(t *testing.T, generation uint64) {
	t.Helper()
	if got := f.keyring.Current().Generation; got != generation {
		t.Errorf("the keyring is at generation %d, not %d", got, generation)
	}
	for _, s := range f.fleet {
		if err := s.WaitReady(t.Context()); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
			continue
		}
		if got := s.Generation(); got != generation {
			t.Errorf("%s is at generation %d, not %d", s.Name(), got, generation)
		}
		if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}

// TestF33OtherProcesses: one process rotates, and another whose sessions use the same key follows, whatever the exchange does to the
// other's tokens and sockets at the reset.
func TestF33OtherProcesses(t *testing.T) {
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { followOthers(t, behaviour) })
		})
	}
}

// TestF29OtherProcesses: where a reset drops private channels without a word, those of another process flow again too, and are marked,
// whether its sessions were told of the new secret or came to it by a call that was refused.
func TestF29OtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := deribittest.NewMemoryListener()
		server := exchangetest.New(t, deribittest.Config{
			Listener: listener, Tick: -1, Reset: deribittest.ResetProfile{TokensRevoked: true, SubscriptionsDropped: true},
		})
		template := session.Config{NetDial: listener.DialContext, URL: server.URL()}
		b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
		defer b.close(t)
		path := filepath.Join(privateDir(t), "key")
		b.move(t, path, template)
		f := newFollower(t, path, template)
		defer f.close(t)
		subs := make([]*session.Subscription, len(f.fleet))
		for i, s := range f.fleet {
			var err error
			if subs[i], err = s.Subscribe(t.Context(), session.SubscribeConfig{}, "user.orders.any.any.raw"); err != nil {
				t.Fatal(err)
			}
		}
		for generation := uint64(2); generation < 5; generation++ {
			if _, err := b.rotator.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := f.fleet[0].Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
				t.Error(err)
			}
			<-time.After(5 * time.Second)
			f.check(t, generation)
			order := map[string]any{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 100, "label": "one"}
			if err := b.fleet[0].Call(t.Context(), "private/buy", order, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for i, sub := range subs {
				if got := drain(t, sub); len(got.gaps) != 1 || got.count(session.GapResumed) != 1 || got.messages != 1 {
					t.Errorf("generation %d, session %d: %d messages, gaps: %v", generation, i, got.messages, got.gaps)
				}
			}
		}
	})
}

func followOthers(t *testing.T, behaviour deribittest.ResetProfile) {
	t.Helper()
	listener := deribittest.NewMemoryListener()
	server := exchangetest.New(t, deribittest.Config{Listener: listener, Tick: -1, Reset: behaviour})
	template := session.Config{NetDial: listener.DialContext, URL: server.URL()}
	b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
	defer b.close(t)
	path := filepath.Join(privateDir(t), "key")
	b.move(t, path, template)
	f := newFollower(t, path, template)
	defer f.close(t)
	for generation := uint64(2); generation < 5; generation++ {
		if _, err := b.rotator.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.agree(t, generation)
		<-time.After(5 * time.Second) // of the bubble's clock: it looks every second
		synctest.Wait()
		f.check(t, generation)
	}
}

// followed is a Follower of a store in memory.
func followed(t *testing.T) (store *memstore.Store, keyring *rotate.Keyring, f *rotate.Follower, said *bytes.Buffer) {
	t.Helper()
	store, said = memstore.New(), &bytes.Buffer{}
	keyring = rotate.NewKeyring(generationOf(1).Credentials())
	f, err := rotate.NewFollower(rotate.Config{
		Keyring: keyring, Store: store, Logger: exchangetest.Logger(said),
	})
	if err != nil {
		t.Fatal(err)
	}
	return store, keyring, f, said
}

func generationOf(n uint64) rotate.Record {
	return rotate.Record{
		ClientID: clientID,
		Current:  rotate.Candidate{Secret: session.NewSecret(fmt.Appendf(nil, "CANARY-secret-%d", n)), Generation: n},
	}
}

// put saves records one after the other.
func put(t *testing.T, store rotate.Store, records ...rotate.Record) {
	t.Helper()
	for _, r := range records {
		now, err := store.Load(t.Context())
		if err != nil && !errors.Is(err, rotate.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := store.Save(t.Context(), r, now.Version); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowerAsksTheStore: an authentication gets what the store has without a Run, and never what is older than the keyring's.
func TestFollowerAsksTheStore(t *testing.T) {
	t.Parallel()
	store, keyring, f, said := followed(t)
	for _, test := range []struct{ stored, want uint64 }{{0, 1}, {1, 1}, {3, 3}, {2, 3}, {5, 5}} {
		if test.stored != 0 {
			put(t, store, generationOf(test.stored))
		}
		got, err := f.Credentials(t.Context())
		if err != nil || got.Generation != test.want || keyring.Current().Generation != test.want ||
			!got.Secret.Equal(generationOf(test.want).Current.Secret) {
			t.Errorf("stored %d: generation %d, %v", test.stored, got.Generation, err)
		}
	}
	if said.Len() > 0 {
		t.Errorf("logged: %s", said)
	}
}

// TestFollowerWaits: while another rotates, an authentication waits: for the new secret, for the end of the lease if there is
// none, or for its own end.
func TestFollowerWaits(t *testing.T) {
	underWay := func(lease time.Duration) rotate.Record {
		r := generationOf(1)
		r.Intent = &rotate.Intent{ID: "other", Epoch: 1}
		r.Lease = &rotate.Lease{Owner: "other", Epoch: 1, Expires: time.Now().Add(lease)}
		return r
	}
	for _, test := range []struct {
		name    string
		after   rotate.Record // is saved after three seconds, if it has a client id
		patient time.Duration
		want    uint64
		took    time.Duration
	}{
		{"for the secret", generationOf(2), time.Hour, 2, 3 * time.Second},
		{"for a rotation that has not happened", generationOf(1), time.Hour, 1, 3 * time.Second},
		{"for a process that has died", rotate.Record{}, time.Hour, 1, time.Minute},
		{"for its own end", rotate.Record{}, 7 * time.Second, 0, 7 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, _, f, said := followed(t)
				put(t, store, underWay(time.Minute))
				var saving sync.WaitGroup
				saving.Go(func() {
					<-time.After(3 * time.Second)
					if test.after.ClientID != "" {
						put(t, store, test.after)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), test.patient)
				defer cancel()
				began := time.Now()
				got, err := f.Credentials(ctx)
				if got.Generation != test.want || (err != nil) != (test.want == 0) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("generation %d, %v", got.Generation, err)
				}
				if took := time.Since(began); took < test.took || took > test.took+time.Second {
					t.Errorf("it took %v", took)
				}
				saving.Wait()
				if said.Len() > 0 {
					t.Errorf("logged: %s", said)
				}
			})
		})
	}
}

// TestFollowerComplains: what cannot be followed is logged, and the keyring's secret stays, whose refusal is the last word.
func TestFollowerComplains(t *testing.T) {
	t.Parallel()
	otherKey, otherSecret := generationOf(2), generationOf(1)
	otherKey.ClientID = "another"
	otherSecret.Current.Secret = session.NewSecret([]byte("CANARY-another"))
	for name, record := range map[string]rotate.Record{"another": otherKey, "two secrets of generation 1": otherSecret} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, _, f, said := followed(t)
			put(t, store, record)
			got, err := f.Credentials(t.Context())
			if err != nil || got.Generation != 1 || !got.Secret.Equal(generationOf(1).Current.Secret) {
				t.Errorf("generation %d, %v", got.Generation, err)
			}
			if got, err := f.Newer(t.Context(), 1); err != nil || got.Generation != 1 {
				t.Errorf("after a refusal: generation %d, %v", got.Generation, err)
			}
			if !strings.Contains(said.String(), name) || strings.Contains(said.String(), "CANARY") {
				t.Errorf("logged: %s", said)
			}
		})
	}
}

// TestFollowerConfig: what it needs is said at once.
func TestFollowerConfig(t *testing.T) {
	t.Parallel()
	keyring := rotate.NewKeyring(generationOf(1).Credentials())
	for field, cfg := range map[string]rotate.Config{
		"Keyring": {Store: memstore.New()},
		"Store":   {Keyring: keyring},
	} {
		if _, err := rotate.NewFollower(cfg); !errors.Is(err, rotate.ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("without a %s: %v", field, err)
		}
	}
}
