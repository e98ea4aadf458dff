package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestChannelsCountTheirGaps of both kinds, each channel its own.
func TestChannelsCountTheirGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		subscribe(t, s, session.SubscribeConfig{}, "book.A.raw", "book.B.raw")
		wantGaps := func(when string, want ...uint64) {
			t.Helper()
			synctest.Wait()
			for i, ch := range s.Channels() {
				if ch.Gaps != want[i] {
					t.Errorf("%s: %s has %d gaps, want %d", when, ch.Channel, ch.Gaps, want[i])
				}
			}
		}
		f.last().notify("book.A.raw", `{"change_id":1}`)
		f.last().notify("book.A.raw", `{"change_id":9,"prev_change_id":8}`)
		wantGaps("after a break", 1, 0)
		f.last().close()
		<-time.After(time.Minute)
		wantGaps("after a lost connection", 2, 1)
	})
}
