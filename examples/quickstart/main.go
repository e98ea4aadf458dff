// Quickstart dials a session, makes a call, reads notifications, and closes. It runs against a simulated exchange; with
// the URL and the key of a real one the code is the same.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

func main() {
	ctx := context.Background()
	exchange, err := deribittest.New(deribittest.Config{})
	check(err)
	defer exchange.Close()
	key := exchange.AddKey(deribittest.KeyConfig{Name: "quickstart"})

	s, err := session.Dial(ctx, session.Config{
		URL:         exchange.URL(), // session.TestURL is the exchange's test environment
		Credentials: session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret))},
	})
	check(err)
	defer s.Close(ctx)

	var ticker struct {
		Bid float64 `json:"best_bid_price"`
		Ask float64 `json:"best_ask_price"`
	}
	check(s.Call(ctx, "public/ticker", map[string]any{"instrument_name": "BTC-PERPETUAL"}, &ticker))
	fmt.Printf("BTC-PERPETUAL %.1f / %.1f\n", ticker.Bid, ticker.Ask)

	book, err := s.Subscribe(ctx, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "trades.BTC-PERPETUAL.raw")
	check(err)
	seen := 0
	for n, err := range book.Notifications(ctx) {
		check(err) // a *session.GapError is no end: a program that runs on would note it and go on
		fmt.Printf("%s: %d bytes\n", n.Channel, len(n.Data))
		if seen++; seen == 5 {
			break
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
