package rotate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// bare is an authority that can be asked for its key, and cannot authenticate anew.
type bare struct{ of *session.Session }

func (b bare) Call(ctx context.Context, method string, params, result any) error {
	return b.of.Call(ctx, method, params, result)
}

func (b bare) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	return b.of.CallRaw(ctx, method, params, dst)
}

func (b bare) ClientID() string { return b.of.ClientID() }

func (b bare) WaitReady(ctx context.Context) error { return b.of.WaitReady(ctx) }

// TestReplaceByItself has an authority of the key that is replaced, which follows the keyring and is not among the sessions, if there are any:
// it takes the new key before it removes the old one, and works afterwards.
func TestReplaceByItself(t *testing.T) {
	for _, alone := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			listener := deribittest.NewMemoryListener()
			server := exchangetest.New(t, deribittest.Config{Listener: listener, Tick: -1})
			template := session.Config{NetDial: listener.DialContext}
			b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
			defer b.close(t)
			old := b.key
			follows := template
			follows.URL, follows.Credentials, follows.Logger = server.URL(), b.keyring, b.logger
			itself, err := session.Dial(t.Context(), follows)
			if err != nil {
				t.Fatal(err)
			}
			removals := 0
			report, err := b.replaceOnce(t, template, func(c *rotate.Config) {
				if alone {
					c.Sessions = nil
				}
				c.Authority = &acting{itself, map[string]func(context.Context, any, []byte) ([]byte, error){
					"private/remove_api_key": func(ctx context.Context, params any, dst []byte) ([]byte, error) {
						if removals++; itself.ClientID() == old.ClientID {
							t.Error("the key is to remove itself")
						}
						return itself.CallRaw(ctx, "private/remove_api_key", params, dst)
					},
				}}
			})
			if err != nil || removals != 1 {
				t.Errorf("%d removals, %v", removals, err)
			}
			if !slices.ContainsFunc(report.Sessions, func(s rotate.SessionReport) bool { return s.Name == itself.Name() && s.Generation == 2 }) {
				t.Errorf("the report knows nothing of it: %v", report)
			}
			b.gone(t, old)
			if keys := keysAt(t, itself); len(keys) != 1 || itself.ClientID() != b.keyring.Current().ClientID {
				t.Errorf("it is of %s, and lists %d", itself.ClientID(), keys)
			}
			if err := itself.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplaceAuthorityStays: an authority that would be left with the old key is found out before anything is created.
func TestReplaceAuthorityStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		itself := b.dial(t, template, b.key)
		defer itself.close(t)
		for name, authority := range map[string]rotate.Authority{
			"credentials of its own": itself.Session, "no session": bare{b.fleet[0]}, "of a key that is not known": nameless{b.fleet[0]},
		} {
			_, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = authority })
			failed, ok := errors.AsType[*rotate.PreflightError](err)
			if !ok || failed.Check != "authority" || !strings.Contains(err.Error(), "set Config.Authority to a session of another key") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.server.Stats().Calls["private/create_api_key"]; n != 0 {
			t.Errorf("%d keys were created", n)
		}
	})
}

// TestReplaceAuthorityLeftBehind: an authority with credentials of its own that are as old as the keyring's looks as if it followed that. The
// old key is not removed while it uses that, and the error names it.
func TestReplaceAuthorityLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		itself, leave := b.loginAs(t, template, b.key)
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = itself })
		for _, turn := range []func(context.Context) (rotate.Report, error){r.Rotate, r.Recover} {
			_, err := turn(t.Context())
			left, ok := errors.AsType[*rotate.DegradedError](err)
			if !ok || !slices.Equal(left.Sessions, []string{itself.Name()}) {
				t.Errorf("the error is %v", err)
			}
		}
		b.left(t, b.key)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		leave()
		next := b.second(t, template, func(*rotate.Config) {})
		if _, err := next.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if err := next.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 2)
	})
}
