package orderbook_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// A book is kept in one loop, which may be empty, and read from anywhere.
func ExampleFollow() {
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer exchange.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.Dial(ctx, session.Config{URL: exchange.URL()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer s.Close(ctx)

	const channel = "book.BTC-PERPETUAL.100ms"
	sub, err := s.Subscribe(ctx, session.SubscribeConfig{}, channel)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	book := orderbook.Book{MaxAge: 10 * time.Second} // so a connection that has fallen silent shows no old prices
	for _, err := range orderbook.Follow(ctx, sub, map[string]*orderbook.Book{channel: &book}) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "stale:", err) // it mends itself, unless the stream has ended
			continue
		}
		bid, ask, ok := book.Best()
		fmt.Println(ok, bid.Price < ask.Price)
		break
	}
	fmt.Println(book.State())
	// Output:
	// true true
	// stale
}

// A book takes messages from anywhere; what public/get_order_book answers is one too.
func ExampleBook_Apply() {
	var book orderbook.Book
	for _, message := range []string{
		`{"type":"snapshot","change_id":1,"bids":[["new",99.5,10]],"asks":[["new",100,5]]}`,
		`{"type":"change","change_id":2,"prev_change_id":1,"bids":[["change",99.5,20]],"asks":[]}`,
		`{"type":"change","change_id":9,"prev_change_id":8,"bids":[],"asks":[]}`,
	} {
		err := book.Apply([]byte(message))
		bid, ask, ok := book.Best()
		fmt.Println(ok, bid, ask, err)
	}
	// Output:
	// true {99.5 10} {100 5} <nil>
	// true {99.5 20} {100 5} <nil>
	// false {0 0} {0 0} orderbook: chain: change 9 follows 8, but the last was 2
}
