package market

import (
	"slices"
	"time"
)

// report is what one operation on an instrument did, for the streams that follow it.
type report struct {
	in       *instrument
	trades   []publicTrade
	accounts []*accountReport
}

// accountReport is the part of a report that one account sees.
type accountReport struct {
	account *account
	orders  []*order // each once, in the order of their first change
	trades  []*userTrade
}

// of returns the part of an account.
func (r *report) of(a *account) *accountReport {
	for _, ar := range r.accounts {
		if ar.account == a {
			return ar
		}
	}
	ar := &accountReport{account: a}
	r.accounts = append(r.accounts, ar)
	return ar
}

// changed notes that an order changed.
func (r *report) changed(o *order) {
	if o.owner == nil {
		return
	}
	if ar := r.of(o.owner); !slices.Contains(ar.orders, o) {
		ar.orders = append(ar.orders, o)
	}
}

// match executes a taker's order against the other side of the book as far as its limit goes.
func (m *Market) match(r *report, taker *order, now time.Time) {
	l := r.in.book.of(-taker.side)
	for taker.left() > 0 && len(l.levels) > 0 {
		lv := &l.levels[0]
		if l.side.better(taker.ticks, lv.ticks) {
			return
		}
		m.touch(&r.in.book)
		ticks := lv.ticks
		if lots := min(lv.house, taker.left()); lots > 0 {
			lv.house -= lots
			lv.total -= lots
			m.execute(r, taker, nil, deal{ticks, lots, now})
		} else {
			maker := lv.orders[0]
			lots := min(maker.left(), taker.left())
			lv.total -= lots
			m.execute(r, taker, maker, deal{ticks, lots, now})
			if maker.left() == 0 {
				lv.orders = lv.orders[1:]
			}
		}
		l.prune(ticks)
	}
}

// deal is the price and size of one execution.
type deal struct {
	ticks, lots int64
	at          time.Time
}

// execute books one execution on both orders. Maker is nil for the house's own liquidity.
func (m *Market) execute(r *report, taker, maker *order, d deal) {
	t := m.print(r.in, taker.side, d.ticks, d.lots, d.at)
	r.trades = append(r.trades, t)
	m.fill(r, taker, "T", t, d)
	if maker != nil {
		m.fill(r, maker, "M", t, d)
	}
}

// fill books an execution on one order and its account.
func (m *Market) fill(r *report, o *order, liquidity string, t publicTrade, d deal) {
	o.filled += d.lots
	if o.owner == nil {
		return
	}
	o.paid += t.Price * float64(d.lots)
	o.updated = d.at
	if o.left() == 0 {
		o.state = stateFilled
		o.owner.close(o)
	}
	ut := &userTrade{
		publicTrade: t, Direction: o.side.String(), OrderID: o.id, OrderType: o.kind, Label: o.label, State: o.state,
		Liquidity: liquidity, PostOnly: o.postOnly, ReduceOnly: o.reduceOnly, API: true,
	}
	if o.kind == typeMarketLimit {
		ut.OrderType = typeLimit
	}
	rate := r.in.TakerCommission
	if liquidity == "M" {
		rate = r.in.MakerCommission
	}
	ut.Fee = round(rate*r.in.notional(t.Amount, t.Price), 8)
	ut.FeeCurrency = r.in.payer()
	ut.ProfitLoss = round(o.owner.settle(r.in, o.side, d.lots, t.Price, ut.Fee), 8)
	o.trades = append(o.trades, ut)
	o.owner.trades = append(o.owner.trades, ut)
	r.changed(o)
	ar := r.of(o.owner)
	ar.trades = append(ar.trades, ut)
}

// touch gives the book its next change id.
func (m *Market) touch(b *book) {
	m.changeID++
	b.changeID = m.changeID
}
