package orderbook_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// TestMaxAge lets books grow old: the one with a MaxAge is not shown beyond it, until a change comes that follows its last message.
func TestMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const age = 2 * time.Second
		bounded, unbounded := orderbook.Book{MaxAge: age}, orderbook.Book{}
		apply := func(message string) {
			t.Helper()
			for _, b := range []*orderbook.Book{&bounded, &unbounded} {
				if err := b.Apply([]byte(message)); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(wantBounded string) {
			t.Helper()
			if got := shown(&bounded); got != wantBounded {
				t.Errorf("the book shows %s, want %s", got, wantBounded)
			}
			if bounded.State() != bounded.View(0).State {
				t.Errorf("State is %v, View says %v", bounded.State(), bounded.View(0).State)
			}
			if unbounded.State() != orderbook.Synced {
				t.Error("a book without a MaxAge grows stale")
			}
		}
		apply(`{"change_id":1,"bids":[["new",1,1]]}`)
		<-time.After(age)
		want("1: 1x1 |")
		<-time.After(1)
		want("stale")
		apply(`{"change_id":1,"prev_change_id":0}`) // it repeats what has come: no news
		want("stale")
		apply(`{"change_id":2,"prev_change_id":1,"bids":[["change",1,2]]}`)
		want("2: 2x1 |")
		<-time.After(age)
		want("2: 2x1 |")
		<-time.After(1)
		want("stale")
	})
}

// TestSilentConnection has a connection go half-open while the market moves. A book without a MaxAge is shown as it was until the
// session gives the connection up; one with it is not. Both are the exchange's again over the next connection.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := openMarket(t)
		const channel, age = "book.BTC-PERPETUAL.raw", 2 * time.Second
		bounded, unbounded := orderbook.Book{MaxAge: age}, orderbook.Book{}
		var followers sync.WaitGroup
		for _, b := range []*orderbook.Book{&bounded, &unbounded} {
			sub, err := m.Subscribe(t.Context(), session.SubscribeConfig{}, channel)
			if err != nil {
				t.Fatal(err)
			}
			followers.Go(func() {
				for range orderbook.Follow(t.Context(), sub, map[string]*orderbook.Book{channel: b}) {
				}
			})
		}
		<-time.After(5 * time.Second) // the second one has its snapshot
		wantTrue := func(when string) {
			t.Helper()
			m.move("BTC-PERPETUAL")
			for _, b := range []*orderbook.Book{&bounded, &unbounded} {
				if top(b) != m.truth["BTC-PERPETUAL now"] {
					t.Errorf("%s: shown is %s, true is %s", when, top(b), m.truth["BTC-PERPETUAL now"])
				}
			}
		}
		wantTrue("before")

		m.server.Inject(deribittest.Fault{Kind: deribittest.Stall})
		var boundedFor, unboundedFor time.Duration
		for began := time.Now(); m.Ready(); <-time.After(100 * time.Millisecond) {
			m.server.Tick()
			if _, _, ok := bounded.Best(); ok {
				boundedFor = time.Since(began)
			}
			if _, _, ok := unbounded.Best(); ok {
				unboundedFor = time.Since(began)
			}
		}
		t.Logf("shown after the last message: for %v with a MaxAge of %v, for %v without", boundedFor, age, unboundedFor)
		if boundedFor > age || boundedFor < age/2 {
			t.Errorf("a book with a MaxAge of %v was shown for %v", age, boundedFor)
		}
		if unboundedFor < 30*time.Second {
			t.Errorf("a book without a MaxAge was shown for %v: was the connection silent?", unboundedFor)
		}
		if err := m.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTrue("after")
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		followers.Wait()
	})
}
