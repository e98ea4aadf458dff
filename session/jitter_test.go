package session_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// crowdSize is how many sessions of one exchange are opened at one instant. If each does something at a random time of its own, the
// first and the last of them are in the first and the last three tenths of the times that there are, but for once in ten million runs.
const crowdSize = 50

// clockings are when something happened.
type clockings struct {
	mu    sync.Mutex // protects the fields below
	start time.Time
	times []time.Duration
}

func (w *clockings) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start, w.times = time.Now(), nil
}

func (w *clockings) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times = append(w.times, time.Since(w.start))
}

// wantSpread fails the test unless each session of a crowd did it once from the earliest to the latest time, and they are spread over that.
func (w *clockings) wantSpread(t *testing.T, earliest, latest time.Duration) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.times) != crowdSize {
		t.Fatalf("%d times, want %d", len(w.times), crowdSize)
	}
	first, last, third := slices.Min(w.times), slices.Max(w.times), (latest-earliest)*3/10
	if first < earliest || first > earliest+third || last < latest-third || last > latest {
		t.Errorf("from %v to %v, want them spread over %v to %v", first, last, earliest, latest)
	}
}

// TestSessionsOpenedTogetherRenewApart gives them tokens that end together.
func TestSessionsOpenedTogetherRenewApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life = time.Hour
		var logins clockings
		f := newFar(t, script{"public/auth": func(p *peer, r request) {
			logins.note()
			p.grant(r, int64(life/time.Second))
		}})
		for range crowdSize {
			dial(t, unbeaten(f))
		}
		logins.restart()
		time.Sleep(life) //nolint:forbidigo // virtual time
		logins.wantSpread(t, life*85/100, life*95/100)
	})
}

// TestSessionsThatAreCutTogetherReconnectApart has all lose their connections at one instant, with the Config's own backoff.
func TestSessionsThatAreCutTogetherReconnectApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dials clockings
		f := newFar(t, nil)
		f.refuse = func(int) error {
			dials.note()
			return nil
		}
		cfg := unbeaten(f)
		cfg.NewBackoff = nil
		var sessions []*session.Session
		for range crowdSize {
			sessions = append(sessions, dial(t, cfg))
		}
		dials.restart()
		for _, p := range f.all() {
			p.close()
		}
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		dials.wantSpread(t, 50*time.Millisecond, 150*time.Millisecond)
		for i, s := range sessions {
			if !s.Ready() {
				t.Errorf("session %d is not ready again", i)
			}
		}
	})
}
