package rotate_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/filestore"
	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

// pair is an asymmetric key as its owner has it.
type pair struct {
	public  string // in PEM
	private session.Secret
}

// newPair returns the pair of a key.
func newPair(key crypto.Signer, err error) pair {
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	private := session.NewSecret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return pair{public: publicHalf(private), private: private}
}

func newEd25519() pair {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return newPair(key, err)
}

// newRSA is made once, for it takes long.
var newRSA = sync.OnceValue(func() pair { return newPair(rsa.GenerateKey(rand.Reader, 2048)) })

// pairs are of each kind of keys.
func pairs() map[string]pair { return map[string]pair{"Ed25519": newEd25519(), "RSA": newRSA()} }

// publicHalf is the PEM of a private key's public half, empty if it is no private key.
func publicHalf(secret session.Secret) string {
	public, err := secret.PublicKey()
	if err != nil {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// showsNone fails the test if text has a part of a private key, in its PEM or out of it.
func showsNone(t *testing.T, what, text string, private session.Secret) {
	t.Helper()
	block, _ := pem.Decode(private.Reveal())
	if block == nil {
		t.Fatal("no private key")
	}
	const window, head = 12, 18 // bytes; the first ones say of which kind the key is
	for at := head; at+window <= len(block.Bytes); at += window {
		part := block.Bytes[at : at+window]
		// From a multiple of three on they are sixteen digits of the PEM.
		if strings.Contains(text, string(part)) || strings.Contains(text, hex.EncodeToString(part)) ||
			strings.Contains(text, strings.Trim(fmt.Sprintf("%d", part), "[]")) || strings.Contains(text, base64.StdEncoding.EncodeToString(part)) {
			t.Errorf("%s shows bytes of a private key", what)
			return
		}
	}
}

// witness holds what the exchange is asked against the store: no public half leaves whose private half is not durable, and nobody logs
// in with a key of which it is not.
type witness struct {
	t     *testing.T
	store atomic.Pointer[filestore.Store] // nil until there is one

	mu      sync.Mutex        // protects the fields below
	public  map[string]string // of the keys that were created, by client id
	created int
	logins  int
}

func (w *witness) frame(f deribittest.Frame) {
	store := w.store.Load()
	if store == nil || f.Method != "private/create_api_key" && f.Method != "public/auth" {
		return
	}
	record, err := store.Load(w.t.Context())
	if err != nil {
		w.t.Errorf("the store: %v", err)
	}
	if strings.Contains(string(f.Data), "PRIVATE") {
		w.t.Errorf("%s has a private key", f.Method)
	}
	var message struct{ Params, Result keyFields }
	if err := json.Unmarshal(f.Data, &message); err != nil {
		w.t.Errorf("%s: %v", f.Method, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch asked, told := message.Params, message.Result; {
	case f.Method == "private/create_api_key" && f.Incoming:
		w.created++
		if record.Replacement == nil || asked.PublicKey == "" || publicHalf(record.Replacement.Secret) != asked.PublicKey {
			w.t.Error("a public key has left whose private half is not stored")
		}
	case f.Method == "private/create_api_key" && told.ClientID != "":
		if w.public == nil {
			w.public = make(map[string]string)
		}
		w.public[told.ClientID] = told.PublicKey
	case f.Method == "public/auth" && f.Incoming && w.public[asked.ClientID] != "":
		w.logins++
		w.holds(record, asked.ClientID)
	}
}

type keyFields struct {
	ClientID  string `json:"client_id"`
	PublicKey string `json:"public_key"`
}

// holds fails the test if a record does not have the private half of a key that is used.
func (w *witness) holds(record rotate.Record, clientID string) {
	has := record.Current.Secret
	switch p := record.Replacement; {
	case record.ClientID == clientID:
	case p != nil && p.ClientID == clientID && p.Promoted.IsZero():
		has = p.Secret
	case slices.Contains(record.Former, clientID):
		return // it has been replaced, and is about to be removed
	}
	if publicHalf(has) != w.public[clientID] {
		w.t.Errorf("somebody logs in as %s, whose private half is not stored", clientID)
	}
}

// TestReplaceAsymmetric turns asymmetric keys twice under calls: in place, or where the exchange takes no other login on a connection.
// The new ones are of Ed25519, a process that follows the store goes with them, and whatever is printed, no private key is.
func TestReplaceAsymmetric(t *testing.T) {
	for kind, first := range pairs() {
		for _, refused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, login refused %v", kind, refused), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { replaceAsymmetric(t, first, refused) })
			})
		}
	}
}

func replaceAsymmetric(t *testing.T, first pair, refused bool) {
	t.Helper()
	exchange := deribittest.Config{ReauthRefused: refused, Tick: -1}
	b, template := memoryBenchWith(t, exchange, deribittest.KeyConfig{Name: "trader", PublicKey: first.public}, first.private)
	defer b.close(t)
	s, leave := b.follow(t, template)
	defer leave()
	var given []rotate.APIKey
	r := b.second(t, template, func(c *rotate.Config) {
		c.Overlap = 5 * time.Second
		c.Hooks.AfterReset = func(_ context.Context, key rotate.APIKey) { given = append(given, key) }
	})
	secrets := []session.Secret{first.private}
	for generation := uint64(2); generation < 4; generation++ {
		callers := b.call(t, s)
		report, err := r.Rotate(t.Context())
		callers()
		if err != nil {
			t.Fatal(err)
		}
		b.replaced(t, generation)
		record, err := b.store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		public, err := record.Current.Secret.PublicKey()
		if _, ok := public.(ed25519.PublicKey); !ok || err != nil || slices.ContainsFunc(secrets, record.Current.Secret.Equal) {
			t.Errorf("the new key is a %T, %v", public, err)
		}
		secrets = append(secrets, record.Current.Secret)
		if key := given[len(given)-1]; key.ID != record.KeyID || !key.Secret.Equal(record.Current.Secret) || key.PublicKey != b.key.PublicKey {
			t.Errorf("AfterReset was given %+v", key)
		}
		if s.ClientID() != record.ClientID || s.Generation() != generation {
			t.Errorf("who follows the store is at %s, generation %d", s.ClientID(), s.Generation())
		}
		var page strings.Builder
		if err := htmlreport.Write(&page, htmlreport.Page{Reports: []rotate.Report{report}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // what is printed is reached by fmt's reflection, which knows no locks
		for _, secret := range secrets {
			showsNone(t, "the report", report.String()+printAll(t, report)+page.String(), secret)
			showsNone(t, "a value", printAll(t, record)+printAll(t, given)+printAll(t, r), secret)
			showsNone(t, "a log", b.said.String(), secret)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// follow opens a session of a process that follows the store, until leave.
func (b *bench) follow(t *testing.T, template session.Config) (s *session.Session, leave func()) {
	t.Helper()
	keyring := rotate.NewKeyring(b.keyring.Current())
	var own []rotate.Session
	follower, err := rotate.NewFollower(rotate.Config{
		Keyring: keyring, Store: b.store, Logger: b.logger, Sessions: func() []rotate.Session { return own },
	})
	if err != nil {
		t.Fatal(err)
	}
	template.URL, template.Credentials = b.server.URL(), follower
	if s, err = session.Dial(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	own = []rotate.Session{s}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := follower.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s, func() {
		stop()
		running.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// call has every session make calls until stop, none of which may fail.
func (b *bench) call(t *testing.T, others ...*session.Session) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for _, s := range slices.Concat(b.fleet, others) {
		callers.Go(func() {
			for every := time.NewTicker(250 * time.Millisecond); ctx.Err() == nil; <-every.C {
				if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
					t.Errorf("%s: %v", s.Name(), err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		callers.Wait()
	}
}

// TestReplaceAsymmetricCrashes is TestReplaceCrashes for a key whose private half is stored before its public one leaves.
func TestReplaceAsymmetricCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; at < 16; at++ {
			t.Run(fmt.Sprintf("after %v, save %d", after, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					first := newEd25519()
					trader := deribittest.KeyConfig{Name: "trader", PublicKey: first.public}
					crashReplacing(t, trader, first.private, &crashing{at: at, after: after})
				})
			})
		}
	}
}

// TestReplaceAsymmetricUnanswered loses the answer to the creation, with the connections: nobody relies on the key that nobody knows the
// number of, and it is removed.
func TestReplaceAsymmetricUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &cutter{MemoryListener: deribittest.NewMemoryListener()}
		w := &witness{t: t}
		cut := true
		server := exchangetest.New(t, deribittest.Config{Listener: network, Tick: -1, OnFrame: func(f deribittest.Frame) {
			w.frame(f)
			if f.Method == "private/create_api_key" && !f.Incoming && cut {
				cut = false
				if err := network.cut(); err != nil {
					t.Error(err)
				}
			}
		}})
		template := session.Config{NetDial: network.dial}
		first := newEd25519()
		b := newBenchWith(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: first.public}), first.private, template)
		defer b.close(t)
		w.store.Store(b.store)
		b.replacing(t, b.store, template)
		report, err := b.rotator.Rotate(t.Context())
		if err == nil || report.Outcome != rotate.Aborted {
			t.Errorf("%v, %v", report, err)
		}
		b.agree(t, 1)
		b.alone(t)
		if _, err := b.rotator.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.replaced(t, 2)
		b.alone(t)
		if w.created != 2 || w.logins == 0 {
			t.Errorf("seen: %d creations, %d logins", w.created, w.logins)
		}
	})
}

// alone fails the test unless the account has one key.
func (b *bench) alone(t *testing.T) {
	t.Helper()
	var keys []struct{ ID int64 }
	if err := b.fleet[0].Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}
