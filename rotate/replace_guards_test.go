package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// admin is a session of another key of the account, until leave.
func (b *bench) admin(t *testing.T, template session.Config) (s *session.Session, leave func()) {
	t.Helper()
	return b.loginAs(t, template, b.server.AddKey(deribittest.KeyConfig{Name: "admin"}))
}

// loginAs is a session of a key that knows of no other credentials, until leave.
func (b *bench) loginAs(t *testing.T, template session.Config, key deribittest.Key) (s *session.Session, leave func()) {
	t.Helper()
	template.URL, template.Name = b.server.URL(), "of "+key.ClientID
	template.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: 1}
	s, err := session.Dial(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// keysAt are those of the account, by their numbers.
func keysAt(t *testing.T, admin *session.Session) (ids []int64) {
	t.Helper()
	var keys []struct{ ID int64 }
	if err := admin.Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil {
		t.Error(err)
	}
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// kept fails the test unless the account has the keys that it had, everybody uses the old one, and nothing is left to do.
func (b *bench) kept(t *testing.T, admin *session.Session, had []int64) {
	t.Helper()
	if now := keysAt(t, admin); !slices.Equal(now, had) {
		t.Errorf("the account has the keys %d, and had %d", now, had)
	}
	record, err := b.store.Load(t.Context())
	if err != nil || record.Replacement != nil || record.ClientID != b.key.ClientID {
		t.Errorf("stored: %+v, %v", record, err)
	}
	if now := b.keyring.Current(); now.ClientID != b.key.ClientID || now.Generation != 1 {
		t.Errorf("the keyring has %s, generation %d", now.ClientID, now.Generation)
	}
}

// works fails the test unless every session can make calls.
func (b *bench) works(t *testing.T) {
	t.Helper()
	for _, s := range b.fleet {
		if err := s.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}

// replaceOnce has a rotator of its own replace the bench's key.
func (b *bench) replaceOnce(t *testing.T, template session.Config, change func(*rotate.Config)) (rotate.Report, error) {
	t.Helper()
	r := b.second(t, template, change)
	report, err := r.Rotate(t.Context())
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return report, err
}

// TestReplaceOddAnswer: what is answered and is no new key with all that the old one may do is never used, and the key that was created
// is removed.
func TestReplaceOddAnswer(t *testing.T) {
	set := func(name string, value func(*bench) any) func(*bench) func(map[string]any) {
		return func(b *bench) func(map[string]any) {
			return func(fields map[string]any) { fields[name] = value(b) }
		}
	}
	text := func(s any) func(*bench) any { return func(*bench) any { return s } }
	for _, test := range []struct {
		name        string
		ask, answer func(*bench) func(map[string]any)
		err         string
	}{
		{"no number", nil, set("id", text(0)), "it is of key 0"},
		{"the old number", nil, set("id", func(b *bench) any { return b.key.ID }), "it is of key 1"},
		{"no client id", nil, set("client_id", text("")), `it is of client id ""`},
		{"the old client id", nil, set("client_id", func(b *bench) any { return b.key.ClientID }), "it is of client id"},
		{"no secret", nil, set("client_secret", text("")), "client_secret is empty or the old one"},
		{"the old secret", nil, set("client_secret", func(b *bench) any { return b.key.Secret }), "client_secret is empty or the old one"},
		{"another name", nil, set("name", text("hf_another")), "a key with another name"},
		{"a narrower scope", set("max_scope", text("account:read_write")), nil, "the new key may not"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				admin, leave := b.admin(t, template)
				defer leave()
				had := keysAt(t, admin)
				liar := &liar{Session: admin}
				if test.ask != nil {
					liar.ask = test.ask(b)
				}
				if test.answer != nil {
					liar.answer = test.answer(b)
				}
				report, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = liar })
				if !errors.Is(err, rotate.ErrReply) || !strings.Contains(err.Error(), test.err) || report.Outcome != rotate.Aborted {
					t.Errorf("%v, %v, want %q", report.Outcome, err, test.err)
				}
				if strings.Contains(fmt.Sprint(err), b.key.Secret) {
					t.Error("the error has a secret")
				}
				if n := b.server.Stats().Calls["private/create_api_key"]; n != 1 {
					t.Errorf("%d keys were created", n)
				}
				b.kept(t, admin, had)
				b.works(t)
			})
		})
	}
}

// TestReplaceRefusesTheKey: a key that another one could not stand in for is found out before anything is created.
func TestReplaceRefusesTheKey(t *testing.T) {
	edit := func(method string, fields map[string]any) func(*testing.T, *bench, *session.Session) {
		return func(t *testing.T, b *bench, admin *session.Session) {
			t.Helper()
			fields["id"] = b.key.ID
			if err := admin.Call(t.Context(), method, fields, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name, scope string
		before      func(*testing.T, *bench, *session.Session) // nil for nothing
		change      func(*rotate.Config, *session.Session)
		err         string
	}{
		{
			"IP whitelist", "", edit("private/edit_api_key", map[string]any{
				"max_scope": "account:read_write trade:read_write wallet:read_write block_trade:read_write", "ip_whitelist": []string{"127.0.0.1"},
			}),
			func(c *rotate.Config, admin *session.Session) { c.Authority = admin }, "IP whitelist",
		},
		{
			"disabled", "", edit("private/disable_api_key", map[string]any{}),
			func(c *rotate.Config, admin *session.Session) { c.Authority = admin }, "is disabled: enable it first",
		},
		{
			"may not create keys, and nobody else is there", "account:read trade:read_write", nil,
			func(*rotate.Config, *session.Session) {}, "lacks account:read_write: set Config.Authority",
		},
		{
			"another number", "", nil,
			func(c *rotate.Config, admin *session.Session) { c.Authority, c.KeyID = admin, 99 }, "belongs to key 1, not 99",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", Scope: test.scope})
				defer b.close(t)
				admin, leave := b.admin(t, template)
				defer leave()
				had := keysAt(t, admin)
				if test.before != nil {
					test.before(t, b, admin)
				}
				report, err := b.replaceOnce(t, template, func(c *rotate.Config) { test.change(c, admin) })
				failed, ok := errors.AsType[*rotate.PreflightError](err)
				if !ok || failed.Check != "key" || !strings.Contains(err.Error(), test.err) || report.Outcome != rotate.Aborted {
					t.Errorf("%v, %v, want %q", report.Outcome, err, test.err)
				}
				if n := b.server.Stats().Calls["private/create_api_key"]; n != 0 {
					t.Errorf("%d keys were created", n)
				}
				b.kept(t, admin, had)
			})
		})
	}
}

// TestReplaceCarriesOver: the new key has the scope and the features of the old one, no more and no less.
func TestReplaceCarriesOver(t *testing.T) {
	for _, scope := range []string{"account:read_write trade:read_write", "account:read trade:read wallet:read block_trade:read_write"} {
		for _, features := range [][]string{{}, {"restricted_block_trades", "block_trade_approval"}} {
			t.Run(fmt.Sprint(scope, " ", features), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", Scope: scope})
					defer b.close(t)
					admin, leave := b.admin(t, template)
					defer leave()
					edit := map[string]any{"id": b.key.ID, "max_scope": scope, "enabled_features": features}
					if err := admin.Call(t.Context(), "private/edit_api_key", edit, nil); err != nil {
						t.Fatal(err)
					}
					old, _ := b.server.Key(b.key.ID)
					if _, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = admin }); err != nil {
						t.Fatal(err)
					}
					b.replaced(t, 2)
					if b.key.Scope != old.Scope {
						t.Errorf("the new key may %q, the old one %q", b.key.Scope, old.Scope)
					}
					var keys []struct {
						ID       int64
						Features []string `json:"enabled_features"`
					}
					if err := admin.Call(t.Context(), "private/list_api_keys", nil, &keys); err != nil || len(keys) != 2 {
						t.Fatal(len(keys), err)
					}
					for _, k := range keys {
						if k.ID == b.key.ID && !slices.Equal(k.Features, features) {
							t.Errorf("the new key has the features %q, the old one %q", k.Features, features)
						}
					}
				})
			})
		}
	}
}

// deceiver is an authority that answers a creation with an error, whether the exchange has executed it or not.
type deceiver struct {
	*session.Session
	err      error
	executes bool
}

func (d *deceiver) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if method != "private/create_api_key" {
		return d.Session.CallRaw(ctx, method, params, dst)
	}
	if d.executes {
		if _, err := d.Session.CallRaw(ctx, method, params, nil); err != nil {
			return dst, err
		}
	}
	return dst, d.err
}

// TestReplaceRefused: after an error that does not say for sure that no key was created, the one that was is looked for and removed, once
// none can come any more. After one that does, nobody waits.
func TestReplaceRefused(t *testing.T) {
	const create = "private/create_api_key"
	for _, test := range []struct {
		name string
		err  error // nil for too many requests
		sure bool  // that no key was created
	}{
		{"too many requests", nil, false},
		{"no answer", &rpc.CallError{Method: create, Outcome: rpc.Unknown, Err: errDown}, false},
		{"params that are none", refusal(rpc.CodeInvalidParams, ""), true},
		{"not sent", &rpc.CallError{Method: create, Outcome: rpc.NotSent, Err: errDown}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				admin, leave := b.admin(t, template)
				defer leave()
				had := keysAt(t, admin)
				if test.err == nil {
					test.err = judged(t, session.CodeTooManyRequests)
				}
				began := time.Now()
				report, err := b.replaceOnce(t, template, func(c *rotate.Config) {
					c.Authority = &deceiver{Session: admin, err: test.err, executes: !test.sure}
				})
				if err == nil || !strings.Contains(err.Error(), "create") || report.Outcome != rotate.Aborted {
					t.Errorf("%v, %v", report.Outcome, err)
				}
				if waited := time.Since(began) > time.Minute; waited == test.sure {
					t.Errorf("it took %v", time.Since(began))
				}
				b.kept(t, admin, had)
				b.works(t)
			})
		})
	}
}

// TestReplaceWaitsForEverySession: the old key is not removed while a session uses it, not even one that came meanwhile.
func TestReplaceWaitsForEverySession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		old := b.key
		late, leave := b.loginAs(t, template, old)
		defer leave()
		var there atomic.Bool
		fleet := rotate.Fleet(b.fleet...)
		r := b.second(t, template, func(c *rotate.Config) {
			c.Sessions = func() []rotate.Session {
				if there.Load() {
					return append(slices.Clone(fleet()), late)
				}
				return fleet()
			}
			c.Hooks.AfterReset = func(context.Context, rotate.APIKey) {
				time.AfterFunc(c.Overlap+30*time.Second, func() { there.Store(true) })
			}
		})
		_, err := r.Rotate(t.Context())
		left, ok := errors.AsType[*rotate.LeftoverKeyError](err)
		if !ok || left.KeyID != old.ID || !strings.Contains(err.Error(), late.Name()) {
			t.Errorf("the error is %v", err)
		}
		if err := late.Call(t.Context(), "private/get_account_summary", map[string]string{"currency": "BTC"}, nil); err != nil {
			t.Errorf("the session with the old key: %v", err)
		}
		there.Store(false)
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 2)
	})
}

// TestReplaceKeepsTheLease: however long the overlap is, nobody else gets the lease meanwhile.
func TestReplaceKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		const overlap = 10 * time.Minute // the lease is for one
		done := make(chan error)
		go func() {
			_, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Overlap = overlap })
			done <- err
		}()
		another := b.second(t, template, func(c *rotate.Config) {
			c.Keyring, c.Sessions = rotate.NewKeyring(b.keyring.Current()), nil
			c.Authority = b.fleet[0]
		})
		refused := 0
		for end := time.Now().Add(overlap - 10*time.Second); time.Now().Before(end); {
			<-time.After(25 * time.Second)
			record, err := b.store.Load(t.Context())
			if err != nil || record.Lease == nil || record.Lease.Owner == "" || !record.Lease.Expires.After(time.Now()) {
				t.Fatalf("nobody has the lease: %+v, %v", record.Lease, err)
			}
			_, err = another.Rotate(t.Context())
			if _, held := errors.AsType[*rotate.LeaseHeldError](err); !held {
				t.Fatalf("the error is %v", err)
			}
			refused++
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := another.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if refused < 20 {
			t.Errorf("refused %d times", refused)
		}
		b.replaced(t, 2)
	})
}
