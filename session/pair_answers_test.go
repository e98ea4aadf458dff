package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestPairWhoseAnswersOvertake has one connection of a pair come back while 2 and 3 are under way over the other, whose answers overtake
// them, which the exchange's documents do not exclude. 4 comes over both, over the one that has come back first.
func TestPairWhoseAnswersOvertake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		away time.Duration
		then func(old, back *peer)
		want string
	}{
		"they come late": {3 * time.Second, func(old, back *peer) {
			back.notify("trades.A.raw", "4")
			synctest.Wait()
			for _, id := range []string{"2", "3", "4"} {
				old.notify("trades.A.raw", id)
			}
		}, "1 2 3 4"},
		"they are lost": {3 * time.Second, func(old, back *peer) {
			back.notify("trades.A.raw", "4")
			synctest.Wait()
			old.close()
		}, "1 reconnect/0 4"},
		"they are lost at once": {time.Second / 5, func(old, back *peer) {
			old.close()
			synctest.Wait()
			back.notify("trades.A.raw", "4")
		}, "1 reconnect/0 4"},
		"there are none": {3 * time.Second, func(old, back *peer) {
			old.close()
			synctest.Wait()
			back.notify("trades.A.raw", "2")
		}, "1 2"},
		"the channel is dead on the other": {3 * time.Second, func(old, back *peer) {
			back.notify("trades.A.raw", "2")
			<-time.After(3 * time.Second)
			back.notify("trades.A.raw", "3")
			old.notify("trades.A.raw", "2")
		}, "1 2 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				g := newPair(t, f)
				sub := subscribePair(t, g, session.SubscribeConfig{}, "trades.A.raw")
				for _, p := range f.all() {
					p.notify("trades.A.raw", "1")
				}
				synctest.Wait()
				old := f.all()[0]
				f.all()[1].close()
				<-time.After(c.away)
				c.then(old, f.last())
				synctest.Wait()
				wantEntries(t, waiting(t, sub), c.want)
			})
		})
	}
}
