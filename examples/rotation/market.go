package main

import (
	"context"
	"fmt"
	"math"

	"github.com/holdfast-ws/holdfast/rpc"
)

// families are the channels of an instrument that a run subscribes to.
var families = []string{
	"book.%s.raw", "trades.%s.raw", "ticker.%s.raw", "book.%s.100ms", "trades.%s.100ms", "ticker.%s.100ms", "quote.%s",
}

// lookAround asks the exchange what there is: a few instruments to trade, with a price at which a bid rests, and n channels
// to subscribe to.
func lookAround(ctx context.Context, c rpc.Caller, n int) (market []quote, channels []string, err error) {
	type instrument struct {
		Name      string  `json:"instrument_name"`
		Kind      string  `json:"kind"`
		TickSize  float64 `json:"tick_size"`
		MinAmount float64 `json:"min_trade_amount"`
	}
	instruments, err := rpc.Call[[]instrument](ctx, c, "public/get_instruments", map[string]any{"currency": "any"})
	if err != nil {
		return nil, nil, err
	}
	for _, family := range families {
		for _, i := range instruments {
			if len(channels) < n {
				channels = append(channels, fmt.Sprintf(family, i.Name))
			}
		}
	}
	type ticker struct {
		BestBid float64 `json:"best_bid_price"`
	}
	for _, i := range instruments {
		if i.Kind != "future" || len(market) == 8 {
			continue
		}
		t, err := rpc.Call[ticker](ctx, c, "public/ticker", map[string]any{"instrument_name": i.Name})
		if err != nil {
			return nil, nil, err
		}
		price := math.Floor(0.95*t.BestBid/i.TickSize) * i.TickSize
		market = append(market, quote{instrument: i.Name, amount: i.MinAmount, price: price})
	}
	if len(market) == 0 || len(channels) < n {
		return nil, nil, fmt.Errorf("the exchange has %d channels of the market, %d are wanted: lower -channels; it has %d instruments to trade",
			len(channels), n, len(market))
	}
	return market, channels, nil
}

// share is the i-th of n sessions' share of the channels.
func share(channels []string, i, n int) []string {
	var mine []string
	for at := i; at < len(channels); at += n {
		mine = append(mine, channels[at])
	}
	return mine
}
