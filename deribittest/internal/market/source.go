package market

import (
	"slices"
	"time"
)

// source returns what makes the messages of a channel.
func (m *Market) source(account int64, c channel) source {
	switch c.family {
	case familyBook:
		return newBookSource(c.in)
	case familyGrouped:
		return latest(func(now time.Time) any { return c.in.groupedBook(c.group, c.depth, now) })
	case familyTicker:
		return latest(func(now time.Time) any { return c.in.ticker(now) })
	case familyIncremental:
		return &incrementalSource{in: c.in}
	case familyQuote:
		return &quoteSource{in: c.in}
	case familyPerpetual:
		return perpetualSource(c.in)
	case familyChart:
		return &barSource{in: c.in, length: c.length}
	case familyIndex:
		return silentAtFirst{latest(func(now time.Time) any { return c.index.priceMessage(now) })}
	case familyVolatility:
		return latest(func(now time.Time) any { return c.index.volatilityMessage(now) })
	case familyTrades:
		return &batch[publicTrade]{take: func(r *report, _ *accountReport) []publicTrade { return r.trades }}
	case familyOrders:
		return &ordersSource{raw: c.raw}
	case familyUserTrades:
		return &batch[*userTrade]{take: func(_ *report, part *accountReport) []*userTrade { return part.trades }}
	case familyChanges:
		return &changesSource{}
	case familyPortfolio:
		return &portfolioSource{market: m, account: account, only: c.currency}
	}
	return silent{}
}

// silent is the source of channels on which this market has nothing to tell: nothing is listed, locked or announced.
type silent struct{}

func (silent) note(*report, *accountReport) bool { return false }
func (silent) messages(time.Time) []any          { return nil }
func (silent) first(time.Time) any               { return nil }

// latest sends how something stands, whenever it may have changed.
type latest func(now time.Time) any

func (latest) note(*report, *accountReport) bool { return true }
func (f latest) messages(now time.Time) []any    { return []any{f(now)} }
func (f latest) first(now time.Time) any         { return f(now) }

// silentAtFirst is a source without a first message.
type silentAtFirst struct{ source }

func (silentAtFirst) first(time.Time) any { return nil }

// perpetualSource tells the interest of a perpetual; other instruments have none, and their channel stays silent.
func perpetualSource(in *instrument) source {
	if in.SettlementPeriod != perpetual || in.Kind != kindFuture {
		return silent{}
	}
	return latest(func(now time.Time) any { return in.interestMessage(now) })
}

// batch collects what operations did, and sends it as a list.
type batch[T any] struct {
	take func(r *report, part *accountReport) []T
	held []T
}

func (b *batch[T]) note(r *report, part *accountReport) bool {
	b.held = append(b.held, b.take(r, part)...)
	return len(b.held) > 0
}

func (b *batch[T]) messages(time.Time) []any {
	held := b.held
	b.held = nil
	return []any{held}
}

func (b *batch[T]) first(time.Time) any { return nil }

// ordersSource sends orders as they change: raw one by one, else in lists.
type ordersSource struct {
	raw  bool
	held []orderView
}

func (o *ordersSource) note(_ *report, part *accountReport) bool {
	o.held = append(o.held, views(part.orders)...)
	return len(o.held) > 0
}

func (o *ordersSource) messages(time.Time) []any {
	held := o.held
	o.held = nil
	if !o.raw {
		return []any{held}
	}
	out := make([]any, len(held))
	for i, v := range held {
		out[i] = v
	}
	return out
}

func (o *ordersSource) first(time.Time) any { return nil }

// changes is what happened to an account on one instrument.
type changes struct {
	Instrument string         `json:"instrument_name"`
	Orders     []orderView    `json:"orders"`
	Trades     []*userTrade   `json:"trades"`
	Positions  []positionView `json:"positions"`
}

// changesSource sends changes, one message per instrument.
type changesSource struct{ held []*changes }

func (s *changesSource) note(r *report, part *accountReport) bool {
	i := slices.IndexFunc(s.held, func(c *changes) bool { return c.Instrument == r.in.Name })
	if i < 0 {
		i = len(s.held)
		s.held = append(s.held, &changes{Instrument: r.in.Name, Trades: []*userTrade{}})
	}
	c := s.held[i]
	c.Orders = append(c.Orders, views(part.orders)...)
	c.Trades = append(c.Trades, part.trades...)
	c.Positions = []positionView{}
	if p, ok := part.account.positions[r.in.Name]; ok && len(c.Trades) > 0 {
		c.Positions = append(c.Positions, part.account.view(p).positionView)
	}
	return true
}

func (s *changesSource) messages(time.Time) []any {
	out := make([]any, len(s.held))
	for i, c := range s.held {
		out[i] = c
	}
	s.held = nil
	return out
}

func (s *changesSource) first(time.Time) any { return nil }

// barSource sends the candle that a trade changed.
type barSource struct {
	in     *instrument
	length time.Duration
}

func (s *barSource) note(r *report, _ *accountReport) bool { return len(r.trades) > 0 }
func (s *barSource) messages(time.Time) []any              { return []any{s.in.history.bar(s.length)} }
func (s *barSource) first(time.Time) any                   { return nil }

// portfolioSource sends an account's figures in the currencies that something happened in.
type portfolioSource struct {
	market  *Market
	account int64
	only    string // a currency or any
	touched []string
}

func (s *portfolioSource) note(r *report, _ *accountReport) bool {
	for _, c := range currencies {
		if (s.only == anyValue || s.only == c) && r.in.is(anyValue, c) && !slices.Contains(s.touched, c) {
			s.touched = append(s.touched, c)
		}
	}
	return len(s.touched) > 0
}

func (s *portfolioSource) messages(time.Time) []any {
	out := make([]any, len(s.touched))
	for i, c := range s.touched {
		out[i] = s.market.portfolio(s.account, c)
	}
	s.touched = nil
	return out
}

func (s *portfolioSource) first(time.Time) any { return nil }
