package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/session"
)

// liar is an authority between which and the exchange creations are changed on their way.
type liar struct {
	*session.Session
	ask, answer func(fields map[string]any)
}

func (l *liar) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method != "private/create_api_key" {
		return l.Session.CallRaw(ctx, method, params, dst)
	}
	text, err := json.Marshal(params)
	if err != nil {
		return dst, err
	}
	fields, err := changed(text, l.ask)
	if err != nil {
		return dst, err
	}
	text, err = l.Session.CallRaw(ctx, method, fields, nil)
	if err != nil || !strings.Contains(string(text), "client_id") { // a challenge
		return append(dst, text...), err
	}
	if fields, err = changed(text, l.answer); err != nil {
		return dst, err
	}
	if text, err = json.Marshal(fields); err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

func changed(text []byte, change func(map[string]any)) (map[string]any, error) {
	var fields map[string]any
	err := json.Unmarshal(text, &fields)
	if err == nil && change != nil {
		change(fields)
	}
	return fields, err
}

// TestReplaceAsymmetricOdd: what is not a key of the public half that was sent is never used, and removed; whatever stands where other
// keys have their secret is no obstacle.
func TestReplaceAsymmetricOdd(t *testing.T) {
	without := func(names ...string) func(map[string]any) {
		return func(fields map[string]any) {
			for _, name := range names {
				delete(fields, name)
			}
		}
	}
	other := newEd25519().public
	another := func(fields map[string]any) { fields["public_key"] = other }
	for name, test := range map[string]struct {
		ask, answer func(map[string]any)
		err         string // empty for none
	}{
		"ignored":               {without("public_key"), nil, "refuses the new key"},
		"another":               {another, nil, "of another public key"},
		"answered with another": {nil, another, "of another public key"},
		"answered without":      {nil, without("public_key", "client_secret"), ""},
		"in other lines": {nil, func(fields map[string]any) {
			fields["public_key"] = "\r\n" + strings.ReplaceAll(fields["public_key"].(string), "\n", "\r\n")
		}, ""},
		"answered with the old fingerprint": {nil, func(fields map[string]any) { fields["client_secret"] = "hush" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := newEd25519()
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
				defer b.close(t)
				key := b.server.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: first.public})
				keyring := rotate.NewKeyring(session.Credentials{ClientID: key.ClientID, Secret: first.private})
				store := memstore.New()
				r := b.second(t, template, func(c *rotate.Config) {
					c.Keyring, c.Store, c.Sessions = keyring, store, nil
					c.Authority = &liar{Session: b.fleet[0], ask: test.ask, answer: test.answer}
				})
				_, err := r.Rotate(t.Context())
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("the error is %v, want %q", err, test.err)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				record, err := store.Load(t.Context())
				if err != nil || record.Replacement != nil {
					t.Fatalf("%+v, %v", record, err)
				}
				current := keyring.Current()
				now, ok := b.server.Key(record.KeyID)
				if !ok || !isOf(now, current.Secret) || (now.ID == key.ID) != (test.err != "") || !current.Secret.Equal(record.Current.Secret) {
					t.Errorf("after %q the keyring has %s, the exchange %v", test.err, current.ClientID, now)
				}
				var keys []struct{ ID int64 }
				if err := b.fleet[0].Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil || len(keys) != 2 {
					t.Errorf("%d keys, %v", len(keys), err)
				}
			})
		})
	}
}

// TestReplaceAsymmetricMismatch: where the store's secret is not what the key is used with, nothing is begun, and the error says what to
// do.
func TestReplaceAsymmetricMismatch(t *testing.T) {
	first, other := newEd25519(), newRSA()
	plain := session.NewSecret([]byte("CANARY-plain"))
	for name, test := range map[string]struct {
		public   string // of the key
		secret   session.Secret
		strategy rotate.Strategy
		want     string
	}{
		"another":        {first.public, other.private, rotate.Replace, "another public key"},
		"a secret":       {first.public, plain, rotate.Replace, "does not have its private half"},
		"a private key":  {"", first.private, rotate.Replace, "has a secret, and the store a private key"},
		"a reset":        {first.public, first.private, rotate.ResetInPlace, "set Config.Strategy to Replace"},
		"a plain reset":  {first.public, plain, rotate.ResetInPlace, "set Config.Strategy to Replace"},
		"a reset of RSA": {other.public, other.private, rotate.ResetInPlace, "set Config.Strategy to Replace"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
				defer b.close(t)
				key := b.server.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: test.public})
				r := b.second(t, template, func(c *rotate.Config) {
					c.Keyring = rotate.NewKeyring(session.Credentials{ClientID: key.ClientID, Secret: test.secret})
					c.Store, c.Sessions, c.Authority, c.Strategy = memstore.New(), nil, b.fleet[0], test.strategy
				})
				_, err := r.Rotate(t.Context())
				failed, ok := errors.AsType[*rotate.PreflightError](err)
				if !ok || failed.Check != "key" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("the error is %v, want %q", err, test.want)
				}
				calls := b.server.Stats().Calls
				if n := calls["private/create_api_key"] + calls["private/reset_api_key"]; n != 0 {
					t.Errorf("%d keys were created or reset", n)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAsymmetricKeyIsNotReset: an asymmetric key that the exchange refuses is a person's, whatever Config.TakeBack says, for nobody knows
// what a reset would do to it. Once it is enabled again, Recover goes on.
func TestAsymmetricKeyIsNotReset(t *testing.T) {
	for _, strategy := range []rotate.Strategy{rotate.ResetInPlace, rotate.Replace} {
		synctest.Test(t, func(t *testing.T) {
			first := newEd25519()
			b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
			defer b.close(t)
			key := b.server.AddKey(deribittest.KeyConfig{Name: "trader", PublicKey: first.public})
			creds := session.Credentials{ClientID: key.ClientID, Secret: first.private, Generation: 1}
			store := memstore.New()
			record := rotate.Record{KeyID: key.ID, ClientID: key.ClientID, Current: rotate.Candidate{Secret: first.private, Generation: 1}}
			if _, err := store.Save(t.Context(), record, 0); err != nil {
				t.Fatal(err)
			}
			r := b.second(t, template, func(c *rotate.Config) {
				c.Keyring, c.Store, c.Sessions = rotate.NewKeyring(creds), store, nil
				c.Authority, c.Strategy, c.TakeBack = b.fleet[0], strategy, true
			})
			if err := b.fleet[1].Call(t.Context(), "private/disable_api_key", map[string]int64{"id": key.ID}, nil); err != nil {
				t.Fatal(err)
			}
			_, err := r.Recover(t.Context())
			locked, ok := errors.AsType[*rotate.LockedOutError](err)
			if !ok || locked.KeyID != key.ID || errors.Is(err, rotate.ErrForeignReset) ||
				!strings.Contains(err.Error(), "enable it and call Recover") || strings.Contains(err.Error(), "reset this key") {
				t.Errorf("the error is %v", err)
			}
			if err := b.fleet[1].Call(t.Context(), "private/enable_api_key", map[string]int64{"id": key.ID}, nil); err != nil {
				t.Fatal(err)
			}
			if report, err := r.Recover(t.Context()); err != nil || report.Outcome != rotate.Recovered {
				t.Errorf("%v, %v", report, err)
			}
			if n := b.server.Stats().Calls["private/reset_api_key"]; n != 0 {
				t.Errorf("%d resets", n)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// signer is of a module that no private key leaves.
func signer(context.Context, []byte) ([]byte, error) { return []byte("x"), nil }

// TestSignerIsReplacedByHand: nobody but its module can make the next private key, and none is stored in its place.
func TestSignerIsReplacedByHand(t *testing.T) {
	t.Parallel()
	_, err := rotate.New(rotate.Config{
		Keyring: rotate.NewKeyring(session.Credentials{ClientID: clientID, Signer: signer}), Store: memstore.New(),
		Throwaway: session.Config{URL: "ws://127.0.0.1:1"}, Sessions: rotate.Fleet[rotate.Session](),
	})
	if !errors.Is(err, rotate.ErrConfig) || !strings.Contains(err.Error(), "replaced by hand: create the new key") {
		t.Errorf("New: %v", err)
	}
}

// TestSignerIsNotStored publishes a Signer on a keyring whose secret is stored: what would be an empty secret does not take its place.
func TestSignerIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
		defer b.close(t)
		first := b.keyring.Current()
		if err := b.keyring.Publish(session.Credentials{ClientID: first.ClientID, Signer: signer, Generation: 2}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.rotator.Rotate(ctx); !errors.Is(err, rotate.ErrMismatch) {
			t.Errorf("Rotate: %v", err)
		}
		record, err := b.store.Load(t.Context())
		if err != nil || !record.Current.Secret.Equal(first.Secret) {
			t.Errorf("stored: %+v, %v", record, err)
		}
	})
}
