package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// replacing has the bench's rotator create a second key, with a store that may fail.
func (b *bench) replacing(t *testing.T, store rotate.Store, template session.Config) {
	t.Helper()
	if err := b.rotator.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	template.URL = b.server.URL()
	var err error
	b.rotator, err = rotate.New(rotate.Config{
		Keyring: b.keyring, Store: store, Sessions: rotate.Fleet(b.fleet...), Throwaway: template,
		SecondFactor: b.code, Strategy: rotate.Replace, Logger: b.logger,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// replaced fails the test unless there is one key, which all use, and it is not the first.
func (b *bench) replaced(t *testing.T, generation uint64) {
	t.Helper()
	if _, ok := b.server.Key(b.key.ID); ok {
		t.Error("the old key is left")
	}
	record, err := b.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if record.Replacement != nil || record.KeyID == b.key.ID || record.ClientID == b.key.ClientID {
		t.Errorf("stored: %+v", record)
	}
	var ok bool
	if b.key, ok = b.server.Key(record.KeyID); !ok {
		t.Fatal("the current key does not exist")
	}
	b.agree(t, generation)
}

// TestReplace turns a key three times by a second one: over live connections, or where the exchange takes no other login on them.
func TestReplace(t *testing.T) {
	for _, factor := range []bool{false, true} {
		for _, refused := range []bool{false, true} {
			t.Run(fmt.Sprintf("second factor %v, login refused %v", factor, refused), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					listener := deribittest.NewMemoryListener()
					server := exchangetest.New(t, deribittest.Config{Listener: listener, Tick: -1, ReauthRefused: refused})
					key := server.AddKey(deribittest.KeyConfig{Name: "trader", SecondFactor: factor})
					template := session.Config{NetDial: listener.DialContext}
					b := newBench(t, server, key, template)
					defer b.close(t)
					b.replacing(t, b.store, template)
					for generation := uint64(2); generation < 4; generation++ {
						report, err := b.rotator.Rotate(t.Context())
						if err != nil {
							t.Fatalf("%v\n%v", err, report)
						}
						if report.Outcome != rotate.Rotated || report.NewClientID == report.ClientID || report.NewGeneration != generation {
							t.Errorf("report: %v", report)
						}
						if !strings.Contains(report.String(), "client id "+report.NewClientID) {
							t.Errorf("no new client id in:\n%v", report)
						}
						b.replaced(t, generation)
					}
				})
			})
		}
	}
}

// TestStrategyString: a strategy says its name.
func TestStrategyString(t *testing.T) {
	t.Parallel()
	for strategy, want := range map[rotate.Strategy]string{
		rotate.ResetInPlace: "reset in place", rotate.Replace: "replace", 7: "Strategy(7)",
	} {
		if got := fmt.Sprint(strategy); got != want {
			t.Errorf("%d is %q, want %q", uint8(strategy), got, want)
		}
	}
}

// errCrash is a store that a crash has cut off.
var errCrash = errors.New("crashed")

// crashing is a store of a process that ends at the save with the number, before it or right after.
type crashing struct {
	rotate.Store
	at    int
	after bool
	saves int
}

func (c *crashing) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	c.saves++
	switch {
	case c.saves > c.at, c.saves == c.at && !c.after:
		return 0, errCrash
	case c.saves == c.at:
		if _, err := c.Store.Save(ctx, record, ifVersion); err != nil {
			return 0, err
		}
		return 0, errCrash
	}
	return c.Store.Save(ctx, record, ifVersion)
}

// TestReplaceCrashes cuts the store off at every save of a replacement. At no time is anybody locked out, and Recover leaves one key.
func TestReplaceCrashes(t *testing.T) {
	for _, factor := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for at := 1; at < 16; at++ {
				t.Run(fmt.Sprintf("second factor %v, after %v, save %d", factor, after, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						crashReplacing(t, deribittest.KeyConfig{Name: "trader", SecondFactor: factor}, session.Secret{}, &crashing{at: at, after: after})
					})
				})
			}
		}
	}
}

func crashReplacing(t *testing.T, trader deribittest.KeyConfig, private session.Secret, store *crashing) {
	t.Helper()
	b, template := memoryBenchWith(t, deribittest.Config{Tick: -1}, trader, private)
	defer b.close(t)
	admin, leave := b.admin(t, template) // who lists keys without a second factor
	defer leave()
	key := b.key
	store.Store = b.store
	b.replacing(t, store, template)
	_, crash := b.rotator.Rotate(t.Context())
	for _, s := range b.fleet {
		if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s is locked out: %v", s.Name(), err)
		}
	}
	<-time.After(2 * time.Minute) // the lease of the dead
	b.replacing(t, b.store, template)
	if _, err := b.rotator.Recover(t.Context()); err != nil {
		t.Fatalf("%v, after %v", err, crash)
	}
	record, err := b.store.Load(t.Context())
	if err != nil || record.Replacement != nil {
		t.Fatalf("%+v, %v", record, err)
	}
	isCurrent := func(id int64) bool {
		key, ok := b.server.Key(id)
		return ok && key.ClientID == record.ClientID
	}
	if keys := keysAt(t, admin); len(keys) != 2 || !slices.ContainsFunc(keys, isCurrent) {
		t.Errorf("the account has the keys %d, the store has %s, after %v", keys, record.ClientID, crash)
	}
	if record.ClientID == key.ClientID {
		b.key, _ = b.server.Key(key.ID)
		if _, err := b.rotator.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.replaced(t, b.keyring.Current().Generation)
}

// cutAtAnswer is an exchange whose connections all end when it first answers a call of that method.
func cutAtAnswer(t *testing.T, method string) (*deribittest.Server, *cutter) {
	t.Helper()
	network := &cutter{MemoryListener: deribittest.NewMemoryListener()}
	cut := true
	server := exchangetest.New(t, deribittest.Config{Listener: network, Tick: -1, OnFrame: func(f deribittest.Frame) {
		if f.Method == method && !f.Incoming && cut {
			cut = false
			if err := network.cut(); err != nil {
				t.Error(err)
			}
		}
	}})
	return server, network
}

// TestReplaceUnanswered loses the answer to the creation, with the connections: the key that nobody has the secret of is removed.
func TestReplaceUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, network := cutAtAnswer(t, "private/create_api_key")
		template := session.Config{NetDial: network.dial}
		b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
		defer b.close(t)
		b.replacing(t, b.store, template)
		report, err := b.rotator.Rotate(t.Context())
		if err == nil || report.Outcome != rotate.Aborted {
			t.Errorf("%v, %v", report, err)
		}
		b.agree(t, 1)
		if _, err := b.rotator.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.replaced(t, 2)
		var keys []struct{ ID int64 }
		if err := b.fleet[0].Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil || len(keys) != 1 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
}

// TestReplaceNeedsAPlace refuses a ninth key, before anything is created.
func TestReplaceNeedsAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := deribittest.NewMemoryListener()
		server := exchangetest.New(t, deribittest.Config{Listener: listener, Tick: -1})
		template := session.Config{NetDial: listener.DialContext}
		b := newBench(t, server, server.AddKey(deribittest.KeyConfig{}), template)
		defer b.close(t)
		for range 7 {
			server.AddKey(deribittest.KeyConfig{})
		}
		b.replacing(t, b.store, template)
		_, err := b.rotator.Rotate(t.Context())
		if failed, ok := errors.AsType[*rotate.PreflightError](err); !ok || failed.Check != "key" {
			t.Error(err)
		}
		if n := server.Stats().Calls["private/create_api_key"]; n != 0 {
			t.Errorf("%d keys were created", n)
		}
	})
}

// TestOldRecordsLoad decodes what was stored before a key could be replaced.
func TestOldRecordsLoad(t *testing.T) {
	t.Parallel()
	const old = `{"version":3,"key_id":7,"client_id":"id","current":{"secret":"aHVzaA==","generation":2},"lease":{"epoch":1}}`
	record, err := rotate.DecodeRecord([]byte(old))
	if err != nil || record.Replacement != nil || record.Former != nil || record.Current.Generation != 2 {
		t.Fatalf("%+v, %v", record, err)
	}
	text, err := rotate.EncodeRecord(record)
	if err != nil || strings.Contains(string(text), "replacement") {
		t.Errorf("%s, %v", text, err)
	}
}
