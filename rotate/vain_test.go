package rotate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// TestResetsUnanswered has an exchange close the key's connections before it answers, where nobody but the key has authority: the
// rescue token resets the key again, and nobody hears that either. After a few times a person is told what was seen; a second key
// heals it.
func TestResetsUnanswered(t *testing.T) {
	for name, change := range map[string]func(*bench, *rotate.Config){
		"no authority is named": func(*bench, *rotate.Config) {},
		"a session of the key is named": func(b *bench, c *rotate.Config) {
			c.Authority, c.TokensSurvive, c.AcceptLockout = b.fleet[0], true, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { resetUnanswered(t, change) })
		})
	}
}

func resetUnanswered(t *testing.T, change func(*bench, *rotate.Config)) {
	t.Helper()
	network := deribittest.NewMemoryListener()
	server := exchangetest.New(t, deribittest.Config{
		Listener: network, Tick: -1, Reset: deribittest.ResetProfile{Connections: deribittest.ConnectionsClosedBeforeReply},
	})
	template := session.Config{URL: server.URL(), NetDial: network.DialContext}
	b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
	defer b.close(t)
	began := time.Now()
	r := b.second(t, template, func(c *rotate.Config) {
		c.Strategy, c.AcceptLockout = rotate.ResetInPlace, true
		change(b, c)
	})
	defer func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	report, err := r.Rotate(ctx)
	locked, ok := errors.AsType[*rotate.LockedOutError](err)
	if !ok || !errors.Is(err, rotate.ErrResetsUnanswered) || errors.Is(err, rotate.ErrForeignReset) || report.Outcome != rotate.LockedOut {
		t.Fatalf("%v, %v", report, err)
	}
	if !strings.Contains(err.Error(), "Set Config.Authority to a session of a second key and call Recover") {
		t.Errorf("it does not say what to do: %v", err)
	}
	if n := server.Stats().Calls["private/reset_api_key"]; n != core.MaxOpen || locked.Tried != 1 {
		t.Errorf("%d resets, %d secrets tried", n, locked.Tried)
	}
	if took := time.Since(began); took > 3*time.Minute {
		t.Errorf("it took %v", took)
	}
	b.healedBy(t, server.AddKey(deribittest.KeyConfig{Name: "admin"}), template)
}

// healedBy gives the rotator a second key, as the error says.
func (b *bench) healedBy(t *testing.T, key deribittest.Key, template session.Config) {
	t.Helper()
	cfg := template
	cfg.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))}
	admin, err := session.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := admin.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	r, err := rotate.New(rotate.Config{
		Keyring: b.keyring, Store: b.store, Sessions: rotate.Fleet(b.fleet...), Throwaway: template, Authority: admin,
	})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := r.Recover(t.Context()); err != nil || report.Outcome != rotate.Recovered {
		t.Errorf("%v, %v", report, err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	b.settle(t)
}
