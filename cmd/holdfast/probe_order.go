package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// quote finds a price at which no order is taken, and the smallest size.
func (p *probe) quote(ctx context.Context) error {
	about := map[string]string{"instrument_name": p.instrument}
	var ticker struct {
		Mark float64 `json:"mark_price"`
	}
	if err := p.admin.Call(ctx, "public/ticker", about, &ticker); err != nil {
		return err
	}
	var instrument struct {
		Tick float64 `json:"tick_size"`
		Size float64 `json:"min_trade_amount"`
	}
	if err := p.admin.Call(ctx, "public/get_instrument", about, &instrument); err != nil {
		return err
	}
	if ticker.Mark <= 0 || instrument.Tick <= 0 || instrument.Size <= 0 {
		return fmt.Errorf("instrument %s: no price, tick or size: choose another", p.instrument)
	}
	p.price, p.size = math.Floor(ticker.Mark/2/instrument.Tick)*instrument.Tick, instrument.Size
	return nil
}

// provoke makes an event on the channel of orders: from another session an order is placed that nobody takes, and cancelled. It
// returns the order's id.
func (p *probe) provoke(ctx context.Context) (event, error) {
	cfg := p.config()
	cfg.Credentials = p.creds
	s, err := session.Dial(ctx, cfg)
	if err != nil {
		return event{}, err
	}
	var placed struct {
		Order struct {
			ID string `json:"order_id"`
		} `json:"order"`
	}
	last := context.WithoutCancel(ctx) // what was placed is cancelled
	if err := s.Call(last, "private/buy", order{
		Instrument: p.instrument, Amount: p.size, Type: "limit", Price: p.price, PostOnly: true, Label: "holdfast-probe",
	}, &placed); err != nil {
		return event{}, errors.Join(err, s.Close(last))
	}
	id := placed.Order.ID
	if _, err := rpc.Call[any](last, s, "private/cancel", map[string]string{"order_id": id}); err != nil {
		return event{}, errors.Join(fmt.Errorf("order %s is still there: %w", id, err), s.Close(last))
	}
	return event{OrderID: id}, s.Close(last)
}

// order are the params of private/buy.
type order struct {
	Instrument string  `json:"instrument_name"`
	Amount     float64 `json:"amount"`
	Type       string  `json:"type"`
	Price      float64 `json:"price"`
	PostOnly   bool    `json:"post_only"`
	Label      string  `json:"label"`
}
