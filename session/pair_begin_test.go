package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// later is a script entry that complies after a second over connection 2, and at once over others.
func later(p *peer, r request) {
	if p.number == 2 {
		<-time.After(time.Second)
	}
	p.comply(r)
}

// TestPairBeginsWhereItWasConfirmed has the session that was the second to confirm a channel be the first to bring something of it: what
// was published before that, and comes late over the other one, is not lost, though the pair has not come to align the two yet.
func TestPairBeginsWhereItWasConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": later, "public/test": silent})
		g := newPair(t, f)
		subscribePair(t, g, session.SubscribeConfig{}, "ticker.B") // which is being aligned from now on
		<-time.After(time.Second)
		sub := subscribePair(t, g, session.SubscribeConfig{}, "ticker.A")
		<-time.After(time.Second)
		slow, fast := f.all()[0], f.all()[1]
		fast.notify("ticker.A", "2")
		synctest.Wait()
		slow.notify("ticker.A", "1")
		slow.notify("ticker.A", "2")
		fast.notify("ticker.A", "3")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1 2 3")
	})
}

// TestPairsBookBeginsOverEither has a session that was the second to confirm a book be the first to bring its snapshot, which is all of it:
// nobody waits for the other one, which is mute.
func TestPairsBookBeginsOverEither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": later})
		sub := subscribePair(t, newPair(t, f), session.SubscribeConfig{}, bookA)
		<-time.After(time.Second)
		f.all()[1].notify(bookA, `{"change_id":100}`)
		synctest.Wait()
		wantTold(t, "the subscriber", sub, "=100")
	})
}
