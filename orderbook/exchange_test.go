package orderbook_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// market is a session with a simulated exchange whose market moves when it is told to.
type market struct {
	t      *testing.T
	server *deribittest.Server
	*session.Session
	truth map[string]string // of each instrument's change id, the top of its book
}

// depth is how much of a book is compared: what the grouped channels show at most.
const depth = 20

func openMarket(t *testing.T) *market {
	t.Helper()
	listener := deribittest.NewMemoryListener()
	server := exchangetest.New(t, deribittest.Config{Tick: -1, Listener: listener})
	key := server.AddKey(deribittest.KeyConfig{})
	s, err := session.Dial(t.Context(), session.Config{
		URL: server.URL(), NetDial: listener.DialContext, Logger: exchangetest.Logger(io.Discard),
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &market{t, server, s, map[string]string{}}
}

// move moves the market once, and asks the exchange how it stands.
func (m *market) move(instruments ...string) {
	m.t.Helper()
	m.server.Tick()
	for _, name := range instruments {
		result, err := m.CallRaw(m.t.Context(), "public/get_order_book", map[string]any{"instrument_name": name, "depth": depth}, nil)
		if err != nil {
			m.t.Fatal(err)
		}
		var b orderbook.Book
		if err := b.Apply(result); err != nil {
			m.t.Fatal(err)
		}
		m.truth[name+" now"] = top(&b)
		m.truth[fmt.Sprint(name, " ", b.View(0).ChangeID)] = top(&b)
	}
	<-time.After(30 * time.Millisecond)
	synctest.Wait()
}

func top(b *orderbook.Book) string {
	v := b.View(depth)
	return fmt.Sprint(v.Bids, v.Asks)
}

// TestBooksAreTheExchanges follows books of each form while the exchange loses messages: what a book shows is what
// the exchange says of it, and after each loss it is shown again.
// Asks: cryptofeed#285, ccxt#29492.
func TestBooksAreTheExchanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := openMarket(t)
		instruments := []string{"BTC-PERPETUAL", "ETH-PERPETUAL"}
		books := map[string]*orderbook.Book{}
		var channels []string
		for _, name := range instruments {
			for _, form := range []string{"raw", "100ms", "none.20.raw", "none.20.100ms"} {
				channel := "book." + name + "." + form
				channels = append(channels, channel)
				books[channel] = &orderbook.Book{}
			}
		}
		sub, err := m.Subscribe(t.Context(), session.SubscribeConfig{}, channels...)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		var follower sync.WaitGroup
		follower.Go(func() {
			for _, err := range orderbook.Follow(t.Context(), sub, books) {
				if err != nil {
					told++
				}
			}
		})
		shownTrue := map[string]int{}
		compare := func() {
			for channel, b := range books {
				v := b.View(0)
				want := m.truth[fmt.Sprint(v.Instrument, " ", v.ChangeID)]
				switch { // a lost message is noticed at the next one: until then the book is one that was
				case v.State == orderbook.Stale, want == "":
				case top(b) != want:
					t.Errorf("%s at %d shows %s, the exchange has %s", channel, v.ChangeID, top(b), want)
				default:
					shownTrue[channel]++
				}
			}
		}
		const moves = 400
		for i := range moves {
			if i%100 == 50 {
				m.server.LoseNotification(channels[i/100]) // each form of one instrument once
			}
			m.move(instruments...)
			compare()
		}
		for _, ch := range m.Channels() {
			isLossy := ch.Channel == channels[0] || ch.Channel == channels[1]
			if isLossy != (ch.Breaks == 1) || ch.Snapshots > 2 && strings.Count(ch.Channel, ".") == 2 {
				t.Errorf("%+v", ch)
			}
			if n := shownTrue[ch.Channel]; n < moves/2 || books[ch.Channel].State() != orderbook.Synced {
				t.Errorf("%s was compared %d times, and is %v", ch.Channel, n, books[ch.Channel].State())
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		follower.Wait()
		if told != 3 { // two breaks, and the end
			t.Errorf("%d errors were told", told)
		}
		for channel, b := range books {
			if b.State() != orderbook.Stale {
				t.Errorf("%s is %v after the end", channel, b.State())
			}
		}
	})
}

// TestSlowFollowerRecovers stands still while the market moves on, and asks for snapshots by itself.
func TestSlowFollowerRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := openMarket(t)
		const channel = "book.BTC-PERPETUAL.raw"
		var slow, quick orderbook.Book
		var followers sync.WaitGroup
		stand := make(chan bool)
		for _, b := range []*orderbook.Book{&slow, &quick} {
			sub, err := m.Subscribe(t.Context(), session.SubscribeConfig{Buffer: 8}, channel)
			if err != nil {
				t.Fatal(err)
			}
			followers.Go(func() {
				for range orderbook.Follow(t.Context(), sub, map[string]*orderbook.Book{channel: b}) {
					if b == &slow {
						<-stand
					}
				}
			})
		}
		for range 50 {
			m.move("BTC-PERPETUAL")
			if top(&quick) != m.truth["BTC-PERPETUAL now"] {
				t.Fatalf("the quick one shows %s", top(&quick))
			}
		}
		close(stand)
		<-time.After(5 * time.Second)
		for range 5 {
			m.move("BTC-PERPETUAL")
		}
		for _, b := range []*orderbook.Book{&slow, &quick} {
			if top(b) != m.truth["BTC-PERPETUAL now"] {
				t.Errorf("shown is %s, true is %s", top(b), m.truth["BTC-PERPETUAL now"])
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		followers.Wait()
	})
}
