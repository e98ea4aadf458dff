package market_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
	"github.com/holdfast-ws/holdfast/internal/schematest"
)

const (
	alice = 7
	bob   = 8

	btc = "BTC-PERPETUAL"
)

// bench is a market with a clock, whose every reply and event is held against the published schemas.
type bench struct {
	*testing.T

	market  *market.Market
	now     time.Time
	schemas *schematest.Validator
}

func open(t *testing.T) *bench {
	t.Helper()
	now := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
	return &bench{T: t, market: market.New(1, 0, now), now: now, schemas: schematest.Load(t)}
}

// args are the parameters of a call.
type args map[string]any

// with returns the parameters with others beside or instead of them.
func (a args) with(more args) args {
	out := maps.Clone(a)
	maps.Copy(out, more)
	return out
}

// try calls a method as an account, over a connection with the account's number.
func (b *bench) try(account int64, method string, params args) (json.RawMessage, *market.Error) {
	b.Helper()
	m, ok := b.market.Methods()[method]
	if !ok {
		b.Fatalf("no method %s", method)
	}
	caller := market.Caller{Account: account, Conn: uint64(account)}
	result, fault := m.Call(b.market, caller, encode(b, params), b.now)
	if fault != nil {
		return nil, fault
	}
	text := encode(b, result)
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":%s,"usIn":1,"usOut":2,"usDiff":1,"testnet":true}`, text)
	if err := b.schemas.Reply(method, []byte(frame)); err != nil {
		b.Errorf("%s: %v", method, err)
	}
	return text, nil
}

// must is try for a call that succeeds.
func must[T any](b *bench, account int64, method string, params args) T {
	b.Helper()
	text, fault := b.try(account, method, params)
	if fault != nil {
		b.Fatalf("%s %v: %d %s %v", method, params, fault.Code, fault.Message, fault.Data)
	}
	return decode[T](b, text)
}

// refused is try for a call that fails with a code.
func (b *bench) refused(code int, account int64, method string, params args) *market.Error {
	b.Helper()
	text, fault := b.try(account, method, params)
	switch {
	case fault == nil:
		b.Fatalf("%s %v answered %s, want error %d", method, params, text, code)
	case fault.Code != code:
		b.Errorf("%s %v: error %d %s, want %d", method, params, fault.Code, fault.Message, code)
	}
	return fault
}

// subscribe subscribes an account to a channel, and returns the first message, if there is one.
func (b *bench) subscribe(account int64, channel string) json.RawMessage {
	b.Helper()
	if _, ok := b.market.Channel(channel); !ok {
		b.Fatalf("channel %s is refused", channel)
	}
	b.market.Subscribe(account, channel)
	data, ok := b.market.Snapshot(account, channel, b.now)
	if ok {
		b.judge(channel, data)
	}
	return data
}

// events returns what the market has to tell, held against the schemas.
func (b *bench) events() []market.Event {
	b.Helper()
	events := b.market.Drain()
	for _, e := range events {
		b.judge(e.Channel, e.Data)
	}
	return events
}

func (b *bench) judge(channel string, data json.RawMessage) {
	b.Helper()
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":%q,"data":%s}}`, channel, data)
	if err := b.schemas.Notification([]byte(frame)); err != nil {
		b.Errorf("%s: %v", channel, err)
	}
}

// tick lets time pass and the market move.
func (b *bench) tick(d time.Duration) {
	b.now = b.now.Add(d)
	b.market.Tick(b.now)
}

// bestBid is the best price to sell at, and bestAsk the best to buy at.
func (b *bench) best(name string) (bid, ask float64) {
	b.Helper()
	t := must[ticker](b, 0, "public/ticker", args{"instrument_name": name})
	return t.Bid, t.Ask
}

func encode(tb testing.TB, v any) json.RawMessage {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func decode[T any](tb testing.TB, text json.RawMessage) T {
	tb.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return v
}

// What the tests look at of the exchange's objects.
type (
	ticker struct {
		Bid       float64 `json:"best_bid_price"`
		BidAmount float64 `json:"best_bid_amount"`
		Ask       float64 `json:"best_ask_price"`
		AskAmount float64 `json:"best_ask_amount"`
	}

	order struct {
		ID       string  `json:"order_id"`
		State    string  `json:"order_state"`
		Price    float64 `json:"price"`
		Amount   float64 `json:"amount"`
		Filled   float64 `json:"filled_amount"`
		Average  float64 `json:"average_price"`
		Label    string  `json:"label"`
		Reason   string  `json:"cancel_reason"`
		Replaced bool    `json:"replaced"`
	}

	trade struct {
		ID        string  `json:"trade_id"`
		Seq       int64   `json:"trade_seq"`
		OrderID   string  `json:"order_id"`
		Direction string  `json:"direction"`
		Liquidity string  `json:"liquidity"`
		Price     float64 `json:"price"`
		Amount    float64 `json:"amount"`
	}

	placed struct {
		Order  order   `json:"order"`
		Trades []trade `json:"trades"`
	}

	instrument struct {
		Name      string  `json:"instrument_name"`
		ID        int64   `json:"instrument_id"`
		Kind      string  `json:"kind"`
		Currency  string  `json:"settlement_currency"`
		TickSize  float64 `json:"tick_size"`
		MinAmount float64 `json:"min_trade_amount"`
	}
)
