package session_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSessionsOpenedTogetherRenewApart gives 50 sessions tokens that end in one instant: each is renewed at a time of its own, in 85 to
// 95 % of its life. The first and the last are in the first and the last three tenths of that, but for once in ten million runs.
func TestSessionsOpenedTogetherRenewApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const sessions, life = 50, time.Hour
		const earliest, latest, part = life * 85 / 100, life * 95 / 100, life * 3 / 100
		var mu sync.Mutex // protects logins
		var logins []time.Duration
		start := time.Now()
		f := newFar(t, script{"public/auth": func(p *peer, r request) {
			mu.Lock()
			logins = append(logins, time.Since(start))
			mu.Unlock()
			p.grant(r, int64(life/time.Second))
		}})
		for range sessions {
			dial(t, unbeaten(f))
		}
		time.Sleep(life) //nolint:forbidigo // virtual time
		mu.Lock()
		defer mu.Unlock()
		renewals := logins[sessions:]
		if len(renewals) != sessions {
			t.Fatalf("%d renewals, want one of each session", len(renewals))
		}
		first, last := slices.Min(renewals), slices.Max(renewals)
		if first < earliest || first > earliest+part || last < latest-part || last > latest {
			t.Errorf("renewed from %v to %v, want it spread over %v to %v", first, last, earliest, latest)
		}
	})
}
