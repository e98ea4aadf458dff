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
		"they are lost": {time.Second / 5, func(old, back *peer) {
			back.notify("trades.A.raw", "4")
			synctest.Wait()
			old.close()
		}, "1 reconnect/0 4"},
		"they are lost at once": {time.Second / 5, func(old, back *peer) {
			old.close()
			synctest.Wait()
			back.notify("trades.A.raw", "4")
		}, "1 reconnect/0 4"},
		"there are none, and the other is lost before it brings the first": {3 * time.Second, func(old, back *peer) {
			back.notify("trades.A.raw", "2")
			synctest.Wait()
			old.close()
		}, "1 2"},
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
		}, "1 reconnect/0 2 3"},
		"the first comes at once, and the other is lost before it brings it": {time.Second / 10, func(old, back *peer) {
			back.notify("trades.A.raw", "2")
			<-time.After(time.Second / 5) // the answer has overtaken it
			old.close()
		}, "1 reconnect/0 2"},
		"the first comes at once, and late over the other": {time.Second / 10, func(old, back *peer) {
			back.notify("trades.A.raw", "2")
			<-time.After(time.Second * 3 / 10)
			old.notify("trades.A.raw", "2")
			old.close()
			synctest.Wait()
			back.notify("trades.A.raw", "3")
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
				<-time.After(time.Second)
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

// TestPairWithAHalfOpenConnection has one connection of a pair come back while nothing comes over the other any more, though it has not
// been given up yet. The one that has come back goes on once the other has not answered for CallTimeout: one gap, for a book with a
// snapshot. What the other had under way is too late then.
func TestPairWithAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f := newBookExchange(t)
		isDead := false
		f.script["public/test"] = func(p *peer, r request) {
			if p.number != 1 || !isDead {
				p.comply(r)
			}
		}
		g := newPair(t, f)
		trades := subscribePair(t, g, session.SubscribeConfig{Buffer: 4096}, "trades.A.raw")
		book := subscribePair(t, g, session.SubscribeConfig{}, bookA)
		for _, p := range f.all() {
			p.notify("trades.A.raw", "1")
		}
		wantTold(t, "who reads the book", book, "=100")
		wantTold(t, "who reads trades", trades, "1")

		isDead = true
		exchange.mu.Lock()
		delete(exchange.subscribed, f.all()[0])
		exchange.mu.Unlock()
		f.all()[1].close()
		synctest.Wait()
		exchange.change(f, bookA) // to nobody
		<-time.After(time.Second)
		back := f.last()
		for _, id := range []string{"3", "4", "5"} {
			back.notify("trades.A.raw", id)
			exchange.change(f, bookA)
		}
		wantTold(t, "who reads the book", book, "")
		wantTold(t, "who reads trades", trades, "")
		<-time.After(12 * time.Second)
		wantTold(t, "who reads the book", book, "reconnect/0 =101 102 103 104")
		wantTold(t, "who reads trades", trades, "reconnect/0 3 4 5")

		for _, id := range []string{"2", "3", "4", "5"} {
			f.all()[0].notify("trades.A.raw", id)
		}
		f.all()[0].notify(bookA, `{"change_id":101,"prev_change_id":100}`)
		back.notify("trades.A.raw", "6")
		exchange.change(f, bookA)
		wantTold(t, "who reads the book", book, "105")
		wantTold(t, "who reads trades", trades, "6")
		f.all()[0].close()
		<-time.After(time.Minute)
		back.notify("trades.A.raw", "7")
		wantTold(t, "who reads trades", trades, "7")
	})
}
