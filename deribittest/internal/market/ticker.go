package market

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"
)

// stats are an instrument's figures since the market began, which stand for the last 24 hours.
type stats struct {
	High        *float64 `json:"high"`
	Low         *float64 `json:"low"`
	PriceChange *float64 `json:"price_change"`
	Volume      float64  `json:"volume"`
	VolumeUSD   float64  `json:"volume_usd"`
}

// greeks are an option's sensitivities.
type greeks struct {
	Delta float64 `json:"delta"`
	Gamma float64 `json:"gamma"`
	Vega  float64 `json:"vega"`
	Theta float64 `json:"theta"`
	Rho   float64 `json:"rho"`
}

// optionTicker is what the ticker of an option has beside the rest.
type optionTicker struct {
	MarkIV          float64 `json:"mark_iv"`
	BidIV           float64 `json:"bid_iv"`
	AskIV           float64 `json:"ask_iv"`
	UnderlyingPrice float64 `json:"underlying_price"`
	UnderlyingIndex string  `json:"underlying_index"`
	InterestRate    float64 `json:"interest_rate"`
	Greeks          greeks  `json:"greeks"`
}

// futureTicker is what the ticker of a perpetual has beside the rest.
type futureTicker struct {
	CurrentFunding float64 `json:"current_funding"`
	Funding8h      float64 `json:"funding_8h"`
	InterestValue  float64 `json:"interest_value"`
}

// quote is the best price and amount of both sides; null where a side is empty.
type quote struct {
	BestBidPrice  *float64 `json:"best_bid_price"`
	BestBidAmount *float64 `json:"best_bid_amount"`
	BestAskPrice  *float64 `json:"best_ask_price"`
	BestAskAmount *float64 `json:"best_ask_amount"`
}

// tickerView is an instrument's ticker.
type tickerView struct {
	quote
	*optionTicker
	*futureTicker

	Instrument             string   `json:"instrument_name"`
	State                  string   `json:"state"`
	Timestamp              int64    `json:"timestamp"`
	LastPrice              *float64 `json:"last_price"`
	MarkPrice              float64  `json:"mark_price"`
	IndexPrice             float64  `json:"index_price"`
	EstimatedDeliveryPrice float64  `json:"estimated_delivery_price"`
	SettlementPrice        float64  `json:"settlement_price"`
	MinPrice               float64  `json:"min_price"`
	MaxPrice               float64  `json:"max_price"`
	OpenInterest           float64  `json:"open_interest"`
	Stats                  stats    `json:"stats"`
}

// markDecimals is how exactly mark prices are told.
func (in *instrument) markDecimals() int {
	if in.Kind == kindOption {
		return 6
	}
	return 4
}

func (in *instrument) quote() (q quote) {
	if ticks, lots, ok := in.book.best(buy); ok {
		price, amount := in.tick.value(ticks), in.lot.value(lots)
		q.BestBidPrice, q.BestBidAmount = &price, &amount
	}
	if ticks, lots, ok := in.book.best(sell); ok {
		price, amount := in.tick.value(ticks), in.lot.value(lots)
		q.BestAskPrice, q.BestAskAmount = &price, &amount
	}
	return q
}

func (in *instrument) stats() stats {
	h := &in.history
	s := stats{Volume: round(h.volume, 8), VolumeUSD: round(h.turnover, 2)}
	if h.seq > 0 {
		change := round(100*(h.last/h.open-1), 4)
		high, low := h.high, h.low
		s.High, s.Low, s.PriceChange = &high, &low, &change
	}
	return s
}

func (in *instrument) ticker(now time.Time) tickerView {
	t := tickerView{
		quote: in.quote(), Instrument: in.Name, State: stateOpen, Timestamp: now.UnixMilli(),
		MarkPrice: round(in.mark, in.markDecimals()), IndexPrice: in.index.price,
		EstimatedDeliveryPrice: in.index.price, SettlementPrice: round(in.index.anchor*in.basis, 2),
		OpenInterest: in.lot.value(100_000), Stats: in.stats(),
	}
	t.MinPrice, t.MaxPrice = in.limits()
	if in.history.seq > 0 {
		last := in.history.last
		t.LastPrice = &last
	}
	switch {
	case in.Kind == kindOption:
		t.SettlementPrice = t.MarkPrice
		t.optionTicker = in.optionTicker()
	case in.perpetual():
		t.futureTicker = &futureTicker{Funding8h: 2.203e-05, InterestValue: 1.7362511643080387}
	}
	return t
}

// perpetual reports whether the instrument is a future without expiry.
func (in *instrument) perpetual() bool { return in.Kind == kindFuture && in.Expires == forever }

func (in *instrument) optionTicker() *optionTicker {
	v := in.value
	return &optionTicker{
		MarkIV: v.iv, BidIV: v.iv - 1, AskIV: v.iv + 1, UnderlyingPrice: in.index.price,
		UnderlyingIndex: "index_price", InterestRate: 0,
		Greeks: greeks{Delta: round(v.delta, 5), Gamma: round(v.gamma, 8), Vega: round(v.vega, 5), Theta: round(v.theta, 5)},
	}
}

// incrementalSource sends the ticker in full and then what changed of it; in full again after a minute of silence.
type incrementalSource struct {
	in   *instrument
	sent map[string]json.RawMessage // the ticker as its subscribers know it
	at   time.Time
}

func (s *incrementalSource) note(*report, *accountReport) bool { return true }

func (s *incrementalSource) first(now time.Time) any {
	if s.sent == nil {
		s.sent, s.at = fields(encode(s.in.ticker(now))), now
	}
	return s.typed("snapshot", s.sent)
}

func (s *incrementalSource) messages(now time.Time) []any {
	next := fields(encode(s.in.ticker(now)))
	before, silence := s.sent, now.Sub(s.at)
	s.sent, s.at = next, now
	if before == nil || silence > time.Minute {
		return []any{s.typed("snapshot", next)}
	}
	delta := difference(before, next)
	delta["instrument_name"], delta["timestamp"] = next["instrument_name"], next["timestamp"]
	return []any{s.typed("change", delta)}
}

// typed copies fields and says what they are.
func (s *incrementalSource) typed(kind string, from map[string]json.RawMessage) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(from)+1)
	maps.Copy(out, from)
	out["type"] = encode(kind)
	return out
}

// fields takes the text of an object apart.
func fields(text json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	if err := json.Unmarshal(text, &out); err != nil {
		panic("market: fields: " + err.Error()) // a bug: the text is ours
	}
	return out
}

// difference returns the fields whose value changed; of objects, their changed fields.
func difference(before, after map[string]json.RawMessage) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage)
	for name, value := range after {
		switch {
		case bytes.Equal(before[name], value):
		case value[0] == '{' && before[name] != nil:
			out[name] = encode(difference(fields(before[name]), fields(value)))
		default:
			out[name] = value
		}
	}
	return out
}

// quoteMessage is a message of a quote's channel.
type quoteMessage struct {
	quote

	Instrument string `json:"instrument_name"`
	Timestamp  int64  `json:"timestamp"`
}

// quoteSource sends the best prices when they change.
type quoteSource struct {
	in   *instrument
	last [4]int64
}

func (s *quoteSource) note(*report, *accountReport) bool {
	var q [4]int64
	q[0], q[1], _ = s.in.book.best(buy)
	q[2], q[3], _ = s.in.book.best(sell)
	changed := q != s.last
	s.last = q
	return changed
}

func (s *quoteSource) messages(now time.Time) []any { return []any{s.first(now)} }

func (s *quoteSource) first(now time.Time) any {
	return quoteMessage{quote: s.in.quote(), Instrument: s.in.Name, Timestamp: now.UnixMilli()}
}

type interestMessage struct {
	Interest   float64 `json:"interest"`
	IndexPrice float64 `json:"index_price"`
	Timestamp  int64   `json:"timestamp"`
}

func (in *instrument) interestMessage(now time.Time) interestMessage {
	return interestMessage{Interest: 0.005, IndexPrice: in.index.price, Timestamp: now.UnixMilli()}
}

type indexMessage struct {
	Name       string   `json:"index_name"`
	Price      *float64 `json:"price,omitempty"`
	Volatility *float64 `json:"volatility,omitempty"`
	Timestamp  int64    `json:"timestamp"`
}

func (ix *index) priceMessage(now time.Time) indexMessage {
	price := ix.price
	return indexMessage{Name: ix.name, Price: &price, Timestamp: now.UnixMilli()}
}

func (ix *index) volatilityMessage(now time.Time) indexMessage {
	volatility := ix.volatility
	return indexMessage{Name: ix.name, Volatility: &volatility, Timestamp: now.UnixMilli()}
}
