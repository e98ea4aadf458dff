package session_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// warnings is a log of what an operator is to look at. Sessions share it.
type warnings struct {
	mu  sync.Mutex // protects log
	log bytes.Buffer
}

// Write implements io.Writer.
func (w *warnings) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *warnings) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (w *warnings) count(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.log.String(), text)
}

const (
	regained     = "had ended this connection's authority"
	tooManyNames = "the key has more than 16 named sessions"
)

// TestSeventeenIdleSessionsAreTold has each give its place back by a probe, at another one's cost, for an hour without a call: each
// time is counted, and told with what is likely the matter.
func TestSeventeenIdleSessionsAreTold(t *testing.T) {
	t.Parallel()
	for name, isRequired := range map[string]bool{"13009": false, "10000": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				seventeenIdleSessions(t, deribittest.Config{Tick: -1, AuthorizationRequired: isRequired})
			})
		})
	}
}

func seventeenIdleSessions(t *testing.T, exchange deribittest.Config) {
	t.Helper()
	var told warnings
	server, cfg := newMemoryServer(t, exchange)
	cfg.Logger = told.logger()
	var sessions []*session.Session
	for i := range 17 {
		cfg.Scope = fmt.Sprintf("session:desk-%d", i)
		s := dial(t, cfg)
		sessions = append(sessions, s)
		subscribe(t, s, session.SubscribeConfig{}, orders)
	}
	before := server.Stats().Authentications
	time.Sleep(time.Hour + time.Second) //nolint:forbidigo // virtual time
	again := server.Stats().Authentications - before
	var lost, resent uint64
	for _, s := range sessions {
		stats := s.Stats()
		lost, resent = lost+stats.AuthorityLost, resent+stats.Resent
	}
	if again < 17 || lost != again || resent != 0 {
		t.Errorf("%d authentications in an hour, %d counted; %d calls sent again", again, lost, resent)
	}
	if n := told.count(regained); uint64(n) != lost || told.count(tooManyNames) != n {
		t.Errorf("%d warnings, %d of them name the limit, want %d", n, told.count(tooManyNames), lost)
	}
}

// TestRevokedTokensAreTold is a session without a name: it has no limit to meet.
func TestRevokedTokensAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told warnings
		f, evict := evictable(t)
		cfg := unbeaten(f)
		cfg.Logger = told.logger()
		s := dial(t, cfg)
		evict()
		if err := s.Call(t.Context(), probeMethod, nil, nil); err != nil {
			t.Fatal(err)
		}
		if n := s.Stats().AuthorityLost; n != 1 || told.count(regained) != 1 || told.count("its tokens were revoked") != 1 {
			t.Errorf("counted %d times: %s", n, told.log.String())
		}
	})
}
