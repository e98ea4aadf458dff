package market

import (
	"math"
	"slices"
	"time"
)

const (
	levels     = 20 // levels that the house keeps on each side
	tradeEvery = 4  // of so many moves of an instrument, one prints a trade
)

// move lets the house act on an instrument once: it follows the fair price, changes its liquidity a little, and sometimes
// trades.
func (m *Market) move(in *instrument, now time.Time) {
	r := &report{in: in}
	fair := in.mark / in.tick.size()
	m.quote(r, buy, int64(math.Floor(fair-0.25)), now)
	m.quote(r, sell, int64(math.Ceil(fair+0.25)), now)
	if m.rng.IntN(tradeEvery) == 0 {
		taker := buy
		if m.rng.IntN(2) == 0 {
			taker = sell
		}
		if ticks, lots, ok := in.book.best(-taker); ok {
			m.match(r, &order{in: in, side: taker, ticks: ticks, lots: 1 + m.rng.Int64N(min(lots, 50))}, now)
		}
	}
	m.touch(&in.book)
	m.publish(r, now)
}

// quote puts the house's liquidity of one side around its best price. Orders of accounts that stand in the way on the other
// side are executed: the market moved through them.
func (m *Market) quote(r *report, s side, best int64, now time.Time) {
	best = max(best, 1)
	mine, other := r.in.book.of(s), r.in.book.of(-s)
	other.dropHouse(func(ticks int64) bool { return !other.side.better(best, ticks) })
	if lots, _ := other.reach(best, math.MaxInt64, nil); lots > 0 {
		m.match(r, &order{in: r.in, side: s, ticks: best, lots: lots}, now)
	}
	mine.dropHouse(func(ticks int64) bool {
		return s.better(ticks, best) || int64(s)*(best-ticks) >= 2*levels
	})
	changed := m.rng.Int64N(levels)
	for i := range int64(levels) {
		ticks := best - int64(s)*i
		if ticks > 0 && (i == changed || mine.house(ticks) == 0) {
			mine.setHouse(ticks, 10+m.rng.Int64N(490))
		}
	}
}

// house is the house's liquidity at a price.
func (l *ladder) house(ticks int64) int64 {
	i, ok := l.find(ticks)
	if !ok {
		return 0
	}
	return l.levels[i].house
}

// dropHouse takes the house's liquidity away from the prices for which drop holds.
func (l *ladder) dropHouse(drop func(ticks int64) bool) {
	for i := range l.levels {
		if lv := &l.levels[i]; drop(lv.ticks) {
			lv.total -= lv.house
			lv.house = 0
		}
	}
	l.levels = slices.DeleteFunc(l.levels, func(lv level) bool { return lv.total == 0 })
}
