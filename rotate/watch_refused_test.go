package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// downStore is a store that cannot be read while it is down.
type downStore struct {
	*memstore.Store
	down atomic.Bool
}

func (s *downStore) Load(ctx context.Context) (rotate.Record, error) {
	if s.down.Load() {
		return rotate.Record{}, errDown
	}
	return s.Store.Load(ctx)
}

// refusedFollower is a process that follows a store in memory with one session, on an exchange that closes the connections of a key that
// is reset, and a person with another key.
type refusedFollower struct {
	server  *deribittest.Server
	key     deribittest.Key
	store   *downStore
	keyring *rotate.Keyring
	session *session.Session
	said    *syncBuffer
	admin   *session.Session
}

func newRefusedFollower(t *testing.T) *refusedFollower {
	t.Helper()
	network := deribittest.NewMemoryListener()
	server := exchangetest.New(t, deribittest.Config{
		Listener: network, Tick: -1,
		Reset: deribittest.ResetProfile{TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
	})
	f := &refusedFollower{
		server: server, key: server.AddKey(deribittest.KeyConfig{Name: "trader"}),
		store: &downStore{Store: memstore.New()}, said: &syncBuffer{},
	}
	put(t, f.store, f.record(1, session.NewSecret([]byte(f.key.Secret))))
	f.keyring = rotate.NewKeyring(f.record(1, session.NewSecret([]byte(f.key.Secret))).Credentials())
	source, err := rotate.NewFollower(rotate.Config{Keyring: f.keyring, Store: f.store, Logger: exchangetest.Logger(f.said)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := session.Config{URL: server.URL(), NetDial: network.DialContext, Credentials: source, Logger: exchangetest.Logger(f.said)}
	if f.session, err = session.Dial(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	admin := server.AddKey(deribittest.KeyConfig{Name: "admin"})
	cfg.Credentials = session.Credentials{ClientID: admin.ClientID, Secret: session.NewSecret([]byte(admin.Secret))}
	if f.admin, err = session.Dial(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *refusedFollower) record(generation uint64, secret session.Secret) rotate.Record {
	return rotate.Record{
		KeyID: f.key.ID, ClientID: f.key.ClientID, Current: rotate.Candidate{Secret: secret, Generation: generation},
	}
}

// intended is a record whose current secret may be dead.
func intended(r rotate.Record, lease rotate.Lease) rotate.Record {
	r.Intent = &rotate.Intent{ID: "other", Epoch: 1, Sent: time.Now()}
	r.Lease = &lease
	return r
}

// reset resets the key, and returns the record that the other process stores in the end.
func (f *refusedFollower) reset(t *testing.T) rotate.Record {
	t.Helper()
	raw, err := f.admin.CallRaw(t.Context(), "private/reset_api_key", map[string]int64{"id": f.key.ID}, nil)
	var key struct {
		Secret string `json:"client_secret"`
	}
	if err != nil || json.Unmarshal(raw, &key) != nil {
		t.Fatal(err)
	}
	return f.record(2, session.NewSecret([]byte(key.Secret)))
}

func (f *refusedFollower) close(t *testing.T) {
	t.Helper()
	for _, s := range []*session.Session{f.session, f.admin} {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, secret := range f.server.Secrets() {
		if strings.Contains(f.said.String(), secret) {
			t.Error("a secret was logged")
		}
	}
}

// TestFollowerRefusedMeanwhile: the secret of a session that follows is refused while what another process knows cannot be read, or before
// it is known. The session does not end, nor does it ask the exchange again and again, and takes the new secret when there is one.
func TestFollowerRefusedMeanwhile(t *testing.T) {
	for name, lease := range map[string]*rotate.Lease{
		"store down":    nil,
		"lease free":    {Epoch: 1},
		"lease expired": {Owner: "other", Epoch: 1, Expires: time.UnixMilli(0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newRefusedFollower(t)
				defer f.close(t)
				if lease != nil {
					put(t, f.store, intended(f.record(1, session.NewSecret([]byte(f.key.Secret))), *lease))
				}
				f.store.down.Store(lease == nil)
				before := f.server.Stats().Calls["public/auth"]
				next := f.reset(t)
				<-time.After(10 * time.Minute)
				if err := f.session.Err(); err != nil {
					t.Fatalf("the session has ended: %v", err)
				}
				if n := f.server.Stats().Calls["public/auth"] - before; n != 1 {
					t.Errorf("the exchange was asked %d times", n)
				}
				f.store.down.Store(false)
				put(t, f.store, next)
				<-time.After(time.Minute)
				if got := f.session.Generation(); got != 2 || !f.session.Ready() {
					t.Errorf("generation %d, ready: %t, %s", got, f.session.Ready(), f.said)
				}
			})
		})
	}
}

// TestFollowerRefusedForGood: where nothing is under way a refusal is the last word, as it is once what was under way has ended and
// the exchange goes on refusing.
func TestFollowerRefusedForGood(t *testing.T) {
	for name, underWay := range map[string]bool{"nothing under way": false, "what was under way has ended": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newRefusedFollower(t)
				defer f.close(t)
				same := f.record(1, session.NewSecret([]byte(f.key.Secret)))
				if underWay {
					put(t, f.store, intended(same, rotate.Lease{Epoch: 1}))
				}
				f.reset(t)
				<-time.After(time.Minute)
				if underWay {
					put(t, f.store, same)
					<-time.After(time.Minute)
				}
				if _, refused := errors.AsType[*session.AuthError](f.session.Err()); !refused {
					t.Errorf("%v, %s", f.session.Err(), f.said)
				}
			})
		})
	}
}

// TestFollowerRefusedAndSettled: a person disables the key while an intent stands, enables it again, and has it recovered: a session that
// was refused meanwhile goes on with the secret that it had.
func TestFollowerRefusedAndSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newRefusedFollower(t)
		defer f.close(t)
		same := f.record(1, session.NewSecret([]byte(f.key.Secret)))
		put(t, f.store, intended(same, rotate.Lease{Epoch: 1}))
		id := map[string]int64{"id": f.key.ID}
		if err := f.admin.Call(t.Context(), "private/disable_api_key", id, nil); err != nil {
			t.Fatal(err)
		}
		f.server.CutConnections()
		<-time.After(10 * time.Minute)
		if f.session.Ready() {
			t.Fatal("the exchange has taken a key that is disabled")
		}
		if err := f.admin.Call(t.Context(), "private/enable_api_key", id, nil); err != nil {
			t.Fatal(err)
		}
		put(t, f.store, same)
		<-time.After(time.Minute)
		if got := f.session.Generation(); got != 1 || !f.session.Ready() {
			t.Errorf("generation %d, ready: %t, %v, %s", got, f.session.Ready(), f.session.Err(), f.said)
		}
	})
}

// TestFollowerOfAFastClock: a rotator whose clock is an hour ahead has died with the lease: as another rotator, who follows does not wait
// for that hour.
func TestFollowerOfAFastClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, f, _ := followed(t)
		put(t, store, intended(generationOf(1), rotate.Lease{Owner: "fast", Epoch: 1, Expires: time.Now().Add(time.Hour + time.Minute)}))
		began := time.Now()
		got, err := f.Credentials(t.Context())
		if took := time.Since(began); err != nil || got.Generation != 1 || took > 5*time.Second {
			t.Errorf("generation %d, %v, after %v", got.Generation, err, took)
		}
	})
}
