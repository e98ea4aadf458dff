package market

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// currencyView is a currency as the exchange lists it.
type currencyView struct {
	Currency              string   `json:"currency"`
	Long                  string   `json:"currency_long"`
	CoinType              string   `json:"coin_type"`
	Decimals              int      `json:"decimals"`
	InCrossCollateralPool bool     `json:"in_cross_collateral_pool"`
	MinConfirmations      int      `json:"min_confirmations"`
	MinWithdrawalFee      float64  `json:"min_withdrawal_fee"`
	WithdrawalFee         float64  `json:"withdrawal_fee"`
	WithdrawalPriorities  []string `json:"withdrawal_priorities"` // always empty
	NetworkCurrency       string   `json:"network_currency"`
	NetworkFee            float64  `json:"network_fee"`
}

func (m *Market) getCurrencies(Caller, json.RawMessage, time.Time) (any, *Error) {
	long := map[string]string{"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin", "USDT": "Tether USD", "EURR": "StablR Euro"}
	out := make([]currencyView, 0, len(currencies))
	for _, c := range currencies {
		v := currencyView{
			Currency: c, Long: long[c], CoinType: "ETHER", Decimals: 6, InCrossCollateralPool: true, MinConfirmations: 1,
			MinWithdrawalFee: 0.0001, WithdrawalFee: 0.0006, WithdrawalPriorities: []string{}, NetworkCurrency: "ETH",
			NetworkFee: 0.0006,
		}
		if c == "BTC" {
			v.CoinType, v.Decimals, v.NetworkCurrency = "BITCOIN", 8, c
		}
		out = append(out, v)
	}
	return out, nil
}

func (m *Market) getInstruments(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	kind, currency, expired := p.kind(), p.currency(), p.flag("expired")
	if p.fault != nil {
		return nil, p.fault
	}
	out := []spec{}
	for _, in := range m.instruments {
		if !expired && in.is(kind, currency) {
			out = append(out, in.spec)
		}
	}
	return out, nil
}

func (m *Market) getInstrument(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	if p.fault != nil {
		return nil, p.fault
	}
	return in.spec, nil
}

type contractSize struct {
	ContractSize int64 `json:"contract_size"`
}

func (m *Market) getContractSize(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	if p.fault != nil {
		return nil, p.fault
	}
	return contractSize{in.ContractSize}, nil
}

// orderBook is the result of public/get_order_book.
type orderBook struct {
	tickerView

	ChangeID int64        `json:"change_id"`
	Bids     [][2]float64 `json:"bids"`
	Asks     [][2]float64 `json:"asks"`
}

func (m *Market) getOrderBook(_ Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	return p.instrument(m).orderBook(p, now)
}

func (m *Market) getOrderBookByID(_ Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	id := p.need("instrument_id").integer("instrument_id")
	at := slices.IndexFunc(m.instruments, func(in *instrument) bool { return in.ID == id })
	switch {
	case p.fault != nil:
		return nil, p.fault
	case at < 0:
		return nil, reject(codeNotFound, "not_found")
	}
	return m.instruments[at].orderBook(p, now)
}

func (in *instrument) orderBook(p *params, now time.Time) (any, *Error) {
	depth := p.integer("depth")
	if !slices.Contains([]int64{0, 1, 5, 10, 20, 50, 100, 1000, 10000}, depth) {
		p.refuse("depth", "unexpected value")
	}
	if p.fault != nil {
		return nil, p.fault
	}
	if depth == 0 {
		depth = 5
	}
	return orderBook{
		tickerView: in.ticker(now), ChangeID: in.book.changeID,
		Bids: in.grouped(&in.book.bids, 1, int(depth)), Asks: in.grouped(&in.book.asks, 1, int(depth)),
	}, nil
}

func (m *Market) getTicker(_ Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	if p.fault != nil {
		return nil, p.fault
	}
	return in.ticker(now), nil
}

// bookSummary is an instrument in public/get_book_summary_*.
type bookSummary struct {
	Instrument             string   `json:"instrument_name"`
	BaseCurrency           string   `json:"base_currency"`
	QuoteCurrency          string   `json:"quote_currency"`
	High                   *float64 `json:"high"`
	Low                    *float64 `json:"low"`
	Last                   *float64 `json:"last"`
	BidPrice               *float64 `json:"bid_price"`
	AskPrice               *float64 `json:"ask_price"`
	MidPrice               *float64 `json:"mid_price"`
	MarkPrice              float64  `json:"mark_price"`
	OpenInterest           float64  `json:"open_interest"`
	Volume                 float64  `json:"volume"`
	VolumeUSD              float64  `json:"volume_usd"`
	PriceChange            *float64 `json:"price_change"`
	EstimatedDeliveryPrice float64  `json:"estimated_delivery_price"`
	Created                int64    `json:"creation_timestamp"`
	MarkIV                 *float64 `json:"mark_iv,omitempty"`
	UnderlyingPrice        *float64 `json:"underlying_price,omitempty"`
	UnderlyingIndex        string   `json:"underlying_index,omitempty"`
}

func (in *instrument) summary(now time.Time) bookSummary {
	t := in.ticker(now)
	s := bookSummary{
		Instrument: in.Name, BaseCurrency: in.BaseCurrency, QuoteCurrency: in.QuoteCurrency, High: t.Stats.High,
		Low: t.Stats.Low, Last: t.LastPrice, BidPrice: t.BestBidPrice, AskPrice: t.BestAskPrice, MarkPrice: t.MarkPrice,
		OpenInterest: t.OpenInterest, Volume: t.Stats.Volume, VolumeUSD: t.Stats.VolumeUSD,
		PriceChange: t.Stats.PriceChange, EstimatedDeliveryPrice: t.EstimatedDeliveryPrice, Created: now.UnixMilli(),
	}
	if t.BestBidPrice != nil && t.BestAskPrice != nil {
		middle := (*t.BestBidPrice + *t.BestAskPrice) / 2
		s.MidPrice = &middle
	}
	if t.optionTicker != nil {
		s.MarkIV, s.UnderlyingPrice, s.UnderlyingIndex = &t.MarkIV, &t.UnderlyingPrice, t.UnderlyingIndex
	}
	return s
}

func (m *Market) getBookSummaries(_ Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	currency, kind := p.need("currency").currency(), p.kind()
	if p.fault != nil {
		return nil, p.fault
	}
	out := []bookSummary{}
	for _, in := range m.instruments {
		if in.is(kind, currency) {
			out = append(out, in.summary(now))
		}
	}
	return out, nil
}

func (m *Market) getBookSummary(_ Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	if p.fault != nil {
		return nil, p.fault
	}
	return []bookSummary{in.summary(now)}, nil
}

type indexPrice struct {
	IndexPrice             float64 `json:"index_price"`
	EstimatedDeliveryPrice float64 `json:"estimated_delivery_price"`
}

func (m *Market) getIndexPrice(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	ix, ok := m.indexes[p.need("index_name").text("index_name")]
	if !ok {
		p.refuse("index_name", "unexpected value")
	}
	if p.fault != nil {
		return nil, p.fault
	}
	return indexPrice{ix.price, ix.price}, nil
}

func (m *Market) getIndexPriceNames(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	type extendedName struct {
		Name         string `json:"name"`
		FutureCombos bool   `json:"future_combo_creation_enabled"`
		OptionCombos bool   `json:"option_combo_creation_enabled"`
	}
	p := read(raw)
	if p.flag("extended"); p.fault != nil {
		return nil, p.fault
	}
	out := make([]extendedName, 0, len(m.indexList))
	for _, ix := range m.indexList {
		out = append(out, extendedName{Name: ix.name})
	}
	return out, nil
}

func (m *Market) getLastTrades(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in, s := p.instrument(m), p.span()
	if p.fault != nil {
		return nil, p.fault
	}
	s.in = in
	return page(s, m.wanted(s, in.history.trades)), nil
}

func (m *Market) getLastTradesByCurrency(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	p.need("currency")
	s := p.span()
	if p.fault != nil {
		return nil, p.fault
	}
	var out []publicTrade
	for _, in := range m.instruments {
		out = append(out, m.wanted(s, in.history.trades)...)
	}
	slices.SortFunc(out, func(a, b publicTrade) int { return cmp.Compare(a.number, b.number) })
	return page(s, out), nil
}

// wanted returns the trades that lie within a span.
func (m *Market) wanted(s span, trades []publicTrade) []publicTrade {
	var out []publicTrade
	for i := range trades {
		if s.wants(m, &trades[i]) {
			out = append(out, trades[i])
		}
	}
	return out
}
