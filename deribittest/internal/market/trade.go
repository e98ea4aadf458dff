package market

import (
	"strconv"
	"time"
)

// publicTrade is a trade as everybody sees it.
type publicTrade struct {
	ID            string   `json:"trade_id"`
	Seq           int64    `json:"trade_seq"`
	Instrument    string   `json:"instrument_name"`
	Timestamp     int64    `json:"timestamp"`
	Direction     string   `json:"direction"`
	TickDirection int      `json:"tick_direction"`
	Price         float64  `json:"price"`
	Amount        float64  `json:"amount"`
	Contracts     float64  `json:"contracts"`
	MarkPrice     float64  `json:"mark_price"`
	IndexPrice    float64  `json:"index_price"`
	IV            *float64 `json:"iv,omitempty"`
	number        int64
}

// userTrade is a trade as one of its two sides sees it.
type userTrade struct {
	publicTrade

	Direction   string  `json:"direction"`
	OrderID     string  `json:"order_id"`
	OrderType   string  `json:"order_type"`
	MatchingID  *string `json:"matching_id"` // always null in the published examples
	Label       string  `json:"label,omitempty"`
	State       string  `json:"state"`
	Liquidity   string  `json:"liquidity"`
	Fee         float64 `json:"fee"`
	FeeCurrency string  `json:"fee_currency"`
	ProfitLoss  float64 `json:"profit_loss"`
	PostOnly    bool    `json:"post_only"`
	ReduceOnly  bool    `json:"reduce_only"`
	API         bool    `json:"api"`
	MMP         bool    `json:"mmp"`
}

// maxTrades is how many trades of an instrument are remembered.
const maxTrades = 1000

// history is what traded on an instrument.
type history struct {
	trades    []publicTrade // the last ones, oldest first
	seq       int64
	last      float64 // price of the last trade; 0 before the first
	direction int     // tick direction of the last trade

	open, high, low float64
	volume          float64 // in the base currency
	turnover        float64 // in the counter currency

	candles []candle
}

// tickDirection tells how a price stands to the one before: 0 plus, 1 zero-plus, 2 minus, 3 zero-minus.
func (h *history) tickDirection(price float64) int {
	switch {
	case price > h.last:
		return 0
	case price < h.last:
		return 2
	}
	return h.direction | 1
}

// print records a trade of a taker's side.
func (m *Market) print(in *instrument, taker side, ticks, lots int64, now time.Time) publicTrade {
	h := &in.history
	m.tradeNumber++
	h.seq++
	t := publicTrade{
		ID: in.numbered(strconv.FormatInt(m.tradeNumber, 10)), Seq: h.seq, Instrument: in.Name,
		Timestamp: now.UnixMilli(), Direction: taker.String(), Price: in.tick.value(ticks), Amount: in.lot.value(lots),
		MarkPrice: round(in.mark, 4), IndexPrice: in.index.price, number: m.tradeNumber,
	}
	t.TickDirection = h.tickDirection(t.Price)
	t.Contracts = t.Amount / float64(in.ContractSize)
	if in.Kind == kindOption {
		t.IV = &in.value.iv
	}
	h.record(in, t, now)
	return t
}

func (h *history) record(in *instrument, t publicTrade, now time.Time) {
	h.last, h.direction = t.Price, t.TickDirection
	if h.seq == 1 {
		h.open, h.high, h.low = t.Price, t.Price, t.Price
	}
	h.high, h.low = max(h.high, t.Price), min(h.low, t.Price)
	base, counter := in.volumes(t.Amount, t.Price)
	h.volume += base
	h.turnover += counter
	h.candle(t, base, now)
	if len(h.trades) == maxTrades {
		h.trades = h.trades[:copy(h.trades, h.trades[maxTrades/2:])]
	}
	h.trades = append(h.trades, t)
}

// volumes are a trade's size in the base currency and in money.
func (in *instrument) volumes(amount, price float64) (base, counter float64) {
	switch {
	case in.Kind == kindOption:
		return amount, amount * price * in.index.price
	case in.linear():
		return amount, amount * price
	}
	return amount / price, amount
}
