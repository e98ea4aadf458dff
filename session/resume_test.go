package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestSubscribeAcceptedAsTheConnectionEnds has the answer and the connection's end come together: who is subscribed is told of that
// end, or is subscribed over the next connection.
func TestSubscribeAcceptedAsTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			f := newFar(t, script{"private/subscribe": func(p *peer, r request) {
				p.comply(r)
				if p.number == 1 {
					p.close()
				}
			}})
			cfg := unbeaten(f)
			cfg.NewBackoff = func() session.Backoffer { return constantly(time.Hour) }
			s := dial(t, cfg)
			sub := subscribe(t, s, session.SubscribeConfig{}, "user.lock")
			isNext := s.Stats().Epoch == 2 && s.Ready()
			time.Sleep(2 * time.Hour) //nolint:forbidigo // virtual time
			told := toldOf(t, sub)
			if !isNext && !slices.Equal(told, []session.GapReason{session.GapReconnect}) {
				t.Fatalf("subscribed over the connection that ended, and told %v of its end", told)
			}
		})
	}
}
