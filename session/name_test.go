package session_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// TestSessionNameIsStable has a named session authenticate for each reason that there is, more often than a key may have names: a
// name of its own for each would have the exchange evict others.
func TestSessionNameIsStable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const scope = "session:desk trade:read_write expires:60"
		var mu sync.Mutex // protects asked
		var asked []string
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, OnFrame: func(f deribittest.Frame) {
			if !f.Incoming || f.Method != "public/auth" {
				return
			}
			var r struct {
				Params struct {
					Scope string `json:"scope"`
				} `json:"params"`
			}
			if err := json.Unmarshal(f.Data, &r); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.Params.Scope)
		}})
		cfg.Scope = scope
		s := dial(t, cfg)
		const rounds = 5
		for range rounds {
			server.CutConnections()
			synctest.Wait()
			if err := s.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Reconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Reauthenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(58 * time.Second) //nolint:forbidigo // virtual time: the token is renewed
		}
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 1+4*rounds || slices.ContainsFunc(asked, func(s string) bool { return s != scope }) {
			t.Errorf("asked for %q, want %q %d times", asked, scope, 1+4*rounds)
		}
		if n, lost := server.Stats().Evicted, s.Stats().AuthorityLost; n != 0 || lost != 0 {
			t.Errorf("%d sessions evicted, %d times without authority", n, lost)
		}
	})
}
