package orderbook_test

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// TestFollowAPair follows books over a redundant pair, one of whose connections is cut again and again: no book is ever stale or crossed,
// none goes back, and each shows what the exchange does.
func TestFollowAPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := deribittest.NewMemoryListener()
		server := exchangetest.New(t, deribittest.Config{Tick: -1, Listener: listener})
		key := server.AddKey(deribittest.KeyConfig{})
		pair, err := session.DialGroup(t.Context(), session.GroupConfig{Copies: 2, Config: session.Config{
			URL: server.URL(), NetDial: listener.DialContext, Logger: exchangetest.Logger(io.Discard),
			Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
		}})
		if err != nil {
			t.Fatal(err)
		}
		books := map[string]*orderbook.Book{"book.BTC-PERPETUAL.raw": {}, "book.ETH-PERPETUAL.raw": {}}
		sub, err := pair.Subscribe(t.Context(), session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.raw")
		if err != nil {
			t.Fatal(err)
		}
		last, rounds, ended := map[string]int64{}, 0, false
		var follower sync.WaitGroup
		follower.Go(func() {
			for channel, err := range orderbook.Follow(t.Context(), sub, books) {
				if err != nil {
					if ended || rounds < 1000 {
						t.Errorf("%s after %d rounds: %v", channel, rounds, err)
					}
					ended = true
					continue
				}
				rounds++
				v := books[channel].View(1)
				switch {
				case v.State != orderbook.Synced, v.ChangeID <= last[channel]:
					t.Errorf("%s is %v at %d after %d", channel, v.State, v.ChangeID, last[channel])
				case v.Bids[0].Price >= v.Asks[0].Price:
					t.Errorf("%s is crossed at %d: %v, %v", channel, v.ChangeID, v.Bids, v.Asks)
				}
				last[channel] = v.ChangeID
			}
		})
		m := &market{t, server, pair.Sessions()[0], map[string]string{}}
		const cuts = 20
		for number := range uint64(cuts) { // the first two connections are 1 and 2, and each that is opened has the next number
			for range 40 {
				server.Tick()
				<-time.After(30 * time.Millisecond)
			}
			server.Inject(deribittest.Fault{Kind: deribittest.Cut, Conn: number + 1})
			for range 10 {
				server.Tick()
				<-time.After(30 * time.Millisecond)
			}
			awaitBoth(t, pair)
			m.move("BTC-PERPETUAL", "ETH-PERPETUAL")
			for channel, b := range books {
				if want := m.truth[b.View(1).Instrument+" now"]; top(b) != want {
					t.Errorf("%s shows %s, the exchange has %s", channel, top(b), want)
				}
			}
		}
		channels := pair.Channels()
		for _, ch := range channels {
			if ch.Gaps != 0 || ch.Snapshots != 1 || ch.Breaks != 0 || ch.Switches == 0 {
				t.Errorf("%+v", ch)
			}
		}
		if err := pair.Close(t.Context()); err != nil {
			t.Error(err)
		}
		follower.Wait()
		if fired := server.Stats().Faults[deribittest.Cut]; fired != cuts || rounds < 1000 || !ended || len(channels) != len(books) {
			t.Errorf("%d cuts, %d rounds, ended %t", fired, rounds, ended)
		}
	})
}

func awaitBoth(t *testing.T, pair *session.Group) {
	t.Helper()
	for _, s := range pair.Sessions() {
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
