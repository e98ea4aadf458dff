package market

import (
	"strings"
	"time"
)

// Kinds of instruments.
const (
	kindFuture = "future"
	kindOption = "option"
	kindSpot   = "spot"
)

const (
	anyValue  = "any"
	perpetual = "perpetual"
)

// spec is an instrument as the exchange lists it.
type spec struct {
	Name                string   `json:"instrument_name"`
	ID                  int64    `json:"instrument_id"`
	Kind                string   `json:"kind"`
	BaseCurrency        string   `json:"base_currency"`
	QuoteCurrency       string   `json:"quote_currency"`
	CounterCurrency     string   `json:"counter_currency"`
	SettlementCurrency  string   `json:"settlement_currency,omitempty"`
	SettlementPeriod    string   `json:"settlement_period"`
	PriceIndex          string   `json:"price_index"`
	TickSize            float64  `json:"tick_size"`
	TickSizeSteps       []string `json:"tick_size_steps"` // always empty
	MinTradeAmount      float64  `json:"min_trade_amount"`
	ContractSize        int64    `json:"contract_size"`
	Active              bool     `json:"is_active"`
	Created             int64    `json:"creation_timestamp"`
	Expires             int64    `json:"expiration_timestamp"`
	InstrumentType      string   `json:"instrument_type"`
	FutureType          string   `json:"future_type,omitempty"`
	Strike              float64  `json:"strike,omitempty"`
	OptionType          string   `json:"option_type,omitempty"`
	MaxLeverage         int64    `json:"max_leverage,omitempty"`
	MakerCommission     float64  `json:"maker_commission"`
	TakerCommission     float64  `json:"taker_commission"`
	LiquidationFee      float64  `json:"max_liquidation_commission,omitempty"`
	BlockCommission     float64  `json:"block_trade_commission"`
	BlockMinTradeAmount float64  `json:"block_trade_min_trade_amount"`
	BlockTickSize       float64  `json:"block_trade_tick_size"`
}

// instrument is one instrument with its book and what happened on it.
type instrument struct {
	spec
	tick, lot step
	index     *index
	basis     float64   // of a future: its fair price in terms of the index
	expiry    time.Time // of an option or dated future

	mark  float64
	value optionValue // of an option

	book    book
	history history
	feeds   []*stream // the public streams that follow it
}

// linear reports whether amounts are in the base currency and profit in the quote currency.
func (in *instrument) linear() bool { return in.InstrumentType == typeLinear }

// currency is that under which the exchange files the instrument.
func (in *instrument) currency() string {
	if in.Kind == kindSpot {
		return in.BaseCurrency
	}
	return in.SettlementCurrency
}

// is reports whether the instrument belongs to a kind and currency, either of which may be any or empty.
func (in *instrument) is(kind, currency string) bool {
	if kind != "" && kind != anyValue && kind != in.Kind {
		return false
	}
	return currency == "" || currency == anyValue || currency == in.currency() ||
		in.Kind == kindSpot && currency == in.QuoteCurrency
}

// notional is the value of an amount at a price, in the currency of the account that pays for it.
func (in *instrument) notional(amount, price float64) float64 {
	switch {
	case in.Kind == kindOption && !in.linear():
		return amount
	case in.linear():
		return amount * price
	}
	return amount / price
}

// numbered prefixes the number of an order or trade as the exchange does: bare for BTC.
func (in *instrument) numbered(digits string) string {
	if in.currency() == "BTC" {
		return digits
	}
	prefix := in.currency()
	if in.linear() {
		prefix = in.BaseCurrency + "_" + in.QuoteCurrency
	}
	return prefix + "-" + digits
}

// reprice takes over the index.
func (in *instrument) reprice(now time.Time) {
	if in.Kind != kindOption {
		in.mark = in.index.price * in.basis
		return
	}
	in.value = black(in.index.price, in.Strike, in.expiry.Sub(now), in.OptionType)
	in.mark = max(in.value.price, in.tick.size())
}

// limits are the prices beyond which no order may be priced.
func (in *instrument) limits() (lowest, highest float64) {
	if in.Kind == kindOption {
		return in.tick.size(), in.tick.value(in.tick.near(in.mark*5 + 0.05))
	}
	const band = 0.1
	return in.tick.value(in.tick.near(in.mark * (1 - band))), in.tick.value(in.tick.near(in.mark * (1 + band)))
}

// wellFormed reports whether a text could be the name of an instrument.
func wellFormed(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return strings.ContainsAny(name, "-_") && strings.Trim(name, letters) == ""
}
