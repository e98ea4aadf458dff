package market

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	typeLinear   = "linear"
	typeReversed = "reversed"
)

// forever is the expiry that the exchange gives to what never expires.
const forever = 32503708800000

// coin is what the instruments of one base currency have in common.
type coin struct {
	name              string
	futureTick        step
	futureLot         step
	contract          int64
	optionLot         step
	strikeStep, block float64
}

var coins = []coin{
	{name: "BTC", futureTick: step{5, 10}, futureLot: step{10, 1}, contract: 10, optionLot: step{1, 10}, strikeStep: 2000, block: 200000},
	{name: "ETH", futureTick: step{5, 100}, futureLot: step{1, 1}, contract: 1, optionLot: step{1, 1}, strikeStep: 100, block: 100000},
}

// usdcMarkets are the linear perpetuals and spot pairs. The exchange's schema wants whole contract sizes.
var usdcMarkets = []struct {
	base, kind string
	tick, lot  step
}{
	{"SOL", kindFuture, step{1, 100}, step{1, 10}},
	{"BTC", kindFuture, step{5, 10}, step{1, 1000}},
	{"ETH", kindFuture, step{5, 100}, step{1, 100}},
	{"BTC", kindSpot, step{1, 1}, step{1, 10000}},
	{"ETH", kindSpot, step{1, 100}, step{1, 1000}},
}

// list makes the instruments as they stand at now, with options at n strikes.
func (m *Market) list(now time.Time, n int) {
	for _, c := range coins {
		ix := m.indexes[strings.ToLower(c.name)+"_usd"]
		m.add(c.future(ix, c.name+"-PERPETUAL", perpetual), now)
		for i, e := range expiries(now) {
			period := "month"
			if i == 0 {
				period = "week"
			}
			f := c.future(ix, c.name+"-"+dated(e), period)
			f.expiry, f.Expires = e, e.UnixMilli()
			f.basis = 1 + 0.002*float64(i+1)
			m.add(f, now)
			if i == 2 {
				continue // the last one has no options
			}
			for _, strike := range strikes(ix.price, c.strikeStep, n) {
				m.add(c.option(ix, e, strike, "call", period), now)
				m.add(c.option(ix, e, strike, "put", period), now)
			}
		}
	}
	for _, u := range usdcMarkets {
		m.add(usdc(m.indexes[strings.ToLower(u.base)+"_usdc"], u.base, u.kind, u.tick, u.lot), now)
	}
}

func (m *Market) add(in *instrument, now time.Time) {
	in.ID = int64(100001 + len(m.instruments))
	in.Active = true
	in.TickSize, in.MinTradeAmount = in.tick.size(), in.lot.size()
	in.TickSizeSteps = []string{}
	in.PriceIndex = in.index.name
	in.BlockTickSize = in.tick.size()
	in.BlockCommission = in.TakerCommission / 2
	in.Created = now.Add(-30 * 24 * time.Hour).Truncate(time.Hour).UnixMilli()
	in.reprice(now)
	m.instruments = append(m.instruments, in)
	m.byName[in.Name] = in
}

func (c coin) future(ix *index, name, period string) *instrument {
	return &instrument{
		spec: spec{
			Name: name, Kind: kindFuture, BaseCurrency: c.name, QuoteCurrency: "USD", CounterCurrency: "USD",
			SettlementCurrency: c.name, SettlementPeriod: period, ContractSize: c.contract, Expires: forever,
			InstrumentType: typeReversed, FutureType: typeReversed, MaxLeverage: 50, TakerCommission: 0.0005,
			LiquidationFee: 0.0075, BlockMinTradeAmount: c.block,
		},
		tick: c.futureTick, lot: c.futureLot, index: ix, basis: 1.0001,
	}
}

func (c coin) option(ix *index, expiry time.Time, strike float64, kind, period string) *instrument {
	return &instrument{
		spec: spec{
			Name: fmt.Sprintf("%s-%s-%.0f-%s", c.name, dated(expiry), strike, strings.ToUpper(kind[:1])),
			Kind: kindOption, BaseCurrency: c.name, QuoteCurrency: c.name, CounterCurrency: "USD",
			SettlementCurrency: c.name, SettlementPeriod: period, ContractSize: 1, Expires: expiry.UnixMilli(),
			InstrumentType: typeReversed, Strike: strike, OptionType: kind, MakerCommission: 0.0003,
			TakerCommission: 0.0003, BlockMinTradeAmount: 25,
		},
		tick: step{5, 10000}, lot: c.optionLot, index: ix, expiry: expiry,
	}
}

func usdc(ix *index, base, kind string, tick, lot step) *instrument {
	in := &instrument{
		spec: spec{
			Name: base + "_USDC", Kind: kind, BaseCurrency: base, QuoteCurrency: "USDC", CounterCurrency: "USDC",
			SettlementPeriod: perpetual, ContractSize: 1, Expires: forever, InstrumentType: typeLinear,
			BlockMinTradeAmount: 1000 * lot.size(),
		},
		tick: tick, lot: lot, index: ix, basis: 1,
	}
	if kind == kindFuture {
		in.Name += "-PERPETUAL"
		in.SettlementCurrency, in.FutureType = "USDC", typeLinear
		in.MaxLeverage, in.TakerCommission, in.LiquidationFee = 50, 0.0005, 0.009
	}
	return in
}

// dated writes an expiry as names of instruments do.
func dated(t time.Time) string { return strings.ToUpper(t.Format("2Jan06")) }

// expiries are Fridays at 08:00 UTC: of next week, in a month, in a quarter. Nothing expires while a market lives: a run is
// shorter than a week.
func expiries(now time.Time) []time.Time {
	day := now.UTC().Truncate(24 * time.Hour)
	days := []int{7, 35, 98}
	out := make([]time.Time, 0, len(days))
	for _, n := range days {
		e := day.AddDate(0, 0, n)
		e = e.AddDate(0, 0, (int(time.Friday)-int(e.Weekday())+7)%7)
		out = append(out, e.Add(8*time.Hour))
	}
	return out
}

const fewStrikes = 4

// strikes are n around a price, none of them below one width.
func strikes(price, width float64, n int) []float64 {
	middle := math.Round(price/width) * width
	var all []float64
	for k := -(n / 2); k <= (n+1)/2; k++ {
		if strike := middle + float64(k)*width; k != 0 && strike >= width {
			all = append(all, strike)
		}
	}
	return all
}
