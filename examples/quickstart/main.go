// Quickstart dials a session, makes a call, reads notifications, and closes. It runs against a simulated exchange; with
// the URL and the key of a real one the code is the same.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func main() {
	exchange, err := deribittest.New(deribittest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer exchange.Close()
	key := exchange.AddKey(deribittest.KeyConfig{Name: "quickstart"})

	ctx := context.Background()
	s, err := session.Dial(ctx, session.Config{
		URL:         exchange.URL(), // session.TestURL for the exchange's test environment
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	type ticker struct {
		BestBid float64 `json:"best_bid_price"`
		BestAsk float64 `json:"best_ask_price"`
	}
	t, err := rpc.Call[ticker](ctx, s, "public/ticker", map[string]any{"instrument_name": "BTC-PERPETUAL"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("BTC-PERPETUAL %.1f / %.1f\n", t.BestBid, t.BestAsk)

	book, err := s.Subscribe(ctx, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "trades.BTC-PERPETUAL.raw")
	if err != nil {
		log.Fatal(err)
	}
	seen := 0
	for n, err := range book.Notifications(ctx) {
		if err != nil {
			log.Println(err) // a gap, say: the stream goes on
			continue
		}
		fmt.Printf("%s: %d bytes\n", n.Channel, len(n.Data))
		if seen++; seen == 5 {
			break
		}
	}
}
