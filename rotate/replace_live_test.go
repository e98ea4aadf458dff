package rotate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// second is a rotator of a bench's key that replaces it, of a process of its own: what change leaves alone is the bench's.
func (b *bench) second(t *testing.T, template session.Config, change func(*rotate.Config)) *rotate.Rotator {
	t.Helper()
	template.URL = b.server.URL()
	cfg := rotate.Config{
		Keyring: b.keyring, Store: b.store, Sessions: rotate.Fleet(b.fleet...), Throwaway: template,
		SecondFactor: b.code, Strategy: rotate.Replace, Logger: b.logger,
	}
	change(&cfg)
	r, err := rotate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// memoryBench is a bench on a network of its own, in a bubble.
func memoryBench(t *testing.T, cfg deribittest.Config, key deribittest.KeyConfig) (*bench, session.Config) {
	t.Helper()
	return memoryBenchWith(t, cfg, key, session.Secret{})
}

// memoryBenchWith is memoryBench of an asymmetric key, unless there is no private half. No private key may come over the network.
func memoryBenchWith(
	t *testing.T, cfg deribittest.Config, key deribittest.KeyConfig, private session.Secret,
) (*bench, session.Config) {
	t.Helper()
	listener := deribittest.NewMemoryListener()
	cfg.Listener = listener
	w := &witness{t: t}
	cfg.OnFrame = w.frame
	server := exchangetest.New(t, cfg)
	template := session.Config{NetDial: listener.DialContext, SubscriptionsSurvive: true}
	added := server.AddKey(key)
	if private.IsZero() {
		return newBench(t, server, added, template), template
	}
	b := newBenchWith(t, server, added, private, template)
	w.store.Store(b.store)
	return b, template
}

// TestReplaceUnderCalls: no call fails and no channel has a gap while a key is replaced, whether the exchange takes another key on a
// connection or wants a new one, and whatever is printed, no secret is.
func TestReplaceUnderCalls(t *testing.T) {
	for _, refused := range []bool{false, true} {
		name := "in place"
		if refused {
			name = "reconnecting"
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replaceUnderCalls(t, refused) })
		})
	}
}

func replaceUnderCalls(t *testing.T, refused bool) {
	t.Helper()
	b, template := memoryBench(t, deribittest.Config{ReauthRefused: refused}, deribittest.KeyConfig{})
	defer b.close(t)
	var gaps, calls atomic.Int64
	for _, s := range b.fleet {
		watch := session.SubscribeConfig{Handler: func(session.Notification) {}, OnGap: func(error) { gaps.Add(1) }}
		if _, err := s.Subscribe(t.Context(), watch, "book.BTC-PERPETUAL.raw", "user.orders.any.any.raw"); err != nil {
			t.Fatal(err)
		}
	}
	r := b.second(t, template, func(c *rotate.Config) { c.Overlap = 3 * time.Second })
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for _, s := range b.fleet {
		callers.Go(func() {
			for every := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-every.C {
				if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
					t.Errorf("%s: %v", s.Name(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	report, err := r.Rotate(t.Context())
	stop()
	callers.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.replaced(t, 2)
	if gaps.Load() != 0 || calls.Load() < 1000 {
		t.Errorf("%d gaps, %d calls", gaps.Load(), calls.Load())
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range b.server.Secrets() {
		if bytes.Contains(text, []byte(secret)) || strings.Contains(report.String(), secret) {
			t.Error("the report has a secret")
		}
	}
}

// stubborn is an authority that may not remove keys.
type stubborn struct {
	*session.Session
	refuses bool
}

func (s *stubborn) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if s.refuses && method == "private/remove_api_key" {
		return dst, &rpc.Error{Code: 13021, Message: "forbidden"}
	}
	return s.Session.CallRaw(ctx, method, params, dst)
}

// TestReplaceLeavesTheOldKey: where the old key cannot be removed the new one is used, the error names what is left, and Recover
// removes that and nothing else.
func TestReplaceLeavesTheOldKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", Scope: "account:read trade:read_write"})
		defer b.close(t)
		admin := b.server.AddKey(deribittest.KeyConfig{Name: "admin"})
		other := b.server.AddKey(deribittest.KeyConfig{Name: "hf_other"})
		cfg := template
		cfg.URL, cfg.Credentials = b.server.URL(), session.Credentials{ClientID: admin.ClientID, Secret: session.NewSecret([]byte(admin.Secret))}
		authority, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := authority.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		may := &stubborn{Session: authority, refuses: true}
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = may })
		_, err = r.Rotate(t.Context())
		left, ok := errors.AsType[*rotate.LeftoverKeyError](err)
		if !ok || left.KeyID != b.key.ID || left.ClientID != b.key.ClientID {
			t.Fatalf("the error is %v", err)
		}
		if now := b.keyring.Current(); now.ClientID == b.key.ClientID || now.Generation != 2 {
			t.Errorf("the keyring has %s, generation %d", now.ClientID, now.Generation)
		}
		if _, ok := b.server.Key(b.key.ID); !ok {
			t.Error("the old key is gone")
		}
		may.refuses = false
		if _, err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 2)
		if b.key.Scope != "account:read trade:read_write" {
			t.Errorf("the new key may %s", b.key.Scope)
		}
		for _, k := range []deribittest.Key{admin, other} {
			if _, ok := b.server.Key(k.ID); !ok {
				t.Errorf("%v was removed", k)
			}
		}
	})
}

// TestReplaceTwice has two processes replace a key at once: one key is left, and both use it.
func TestReplaceTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
		defer b.close(t)
		admin, leave := b.admin(t, template)
		defer leave()
		b.replacing(t, b.store, template)
		first := b.keyring.Current()
		follower := rotate.NewKeyring(first)
		another := b.second(t, template, func(c *rotate.Config) {
			c.Keyring, c.Sessions, c.Authority = follower, nil, admin
		})
		var errs [2]error
		var both sync.WaitGroup
		for i, r := range []*rotate.Rotator{b.rotator, another} {
			both.Go(func() { _, errs[i] = r.Rotate(t.Context()) })
		}
		both.Wait()
		refused := slices.DeleteFunc(errs[:], func(err error) bool { return err == nil })
		if len(refused) != 1 {
			t.Fatalf("refused: %v", refused)
		}
		if _, held := errors.AsType[*rotate.LeaseHeldError](refused[0]); !held {
			t.Errorf("the error is %v", refused[0])
		}
		for _, r := range []*rotate.Rotator{b.rotator, another} {
			if _, err := r.Recover(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := another.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if b.keyring.Current().ClientID == first.ClientID || follower.Current().ClientID != b.keyring.Current().ClientID {
			t.Errorf("the keyrings have %s and %s", b.keyring.Current().ClientID, follower.Current().ClientID)
		}
		if n := b.server.Stats().Calls["private/create_api_key"]; n != 1 {
			t.Errorf("%d keys were created", n)
		}
		b.replaced(t, 2)
	})
}

// TestReplaceClosed closes the rotator while it waits for followers: the old key stays until Recover, in a process that was started
// with the old key's credentials.
func TestReplaceClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
		defer b.close(t)
		old := b.keyring.Current()
		b.replacing(t, b.store, template)
		done := make(chan error)
		go func() {
			_, err := b.rotator.Rotate(t.Context())
			done <- err
		}()
		<-time.After(30 * time.Second) // of the 60 of Config.Overlap
		if err := b.rotator.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, rotate.ErrClosed) {
			t.Errorf("the error is %v", err)
		}
		if _, ok := b.server.Key(b.key.ID); !ok {
			t.Error("the old key was removed early")
		}
		restarted := rotate.NewKeyring(old)
		r := b.second(t, template, func(c *rotate.Config) { c.Keyring, c.Overlap = restarted, time.Second })
		if _, err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if restarted.Current().ClientID != b.keyring.Current().ClientID {
			t.Error("the restarted process has another key")
		}
		b.replaced(t, 2)
	})
}

// TestReplaceIsNotReset has another process begin to replace the key, and die, right before a reset is sent: it is not sent.
func TestReplaceIsNotReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{})
		defer b.close(t)
		begin := func(ctx context.Context, _ rotate.Plan) error {
			record, err := b.store.Load(ctx)
			if err != nil {
				return err
			}
			record.Replacement = &rotate.Replacement{ID: "another", Name: "hf_another", Sent: time.Now()}
			_, err = b.store.Save(ctx, record, record.Version)
			return err
		}
		r := b.second(t, template, func(cfg *rotate.Config) {
			cfg.Strategy, cfg.AcceptLockout, cfg.Hooks.BeforeReset = rotate.ResetInPlace, true, begin
		})
		if report, err := r.Rotate(t.Context()); err == nil || report.Outcome != rotate.Aborted {
			t.Errorf("%v, %v", report, err)
		}
		if n := b.server.Stats().Calls["private/reset_api_key"]; n != 0 {
			t.Errorf("%d resets beside a replacement", n)
		}
		if _, err := r.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if record, err := b.store.Load(t.Context()); err != nil || record.Replacement != nil || record.Intent != nil {
			t.Errorf("after Recover: %+v, %v", record, err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
