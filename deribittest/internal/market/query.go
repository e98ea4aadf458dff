package market

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// orderFilter picks orders. Empty fields pick all; triggers picks none, for this market has no trigger orders.
type orderFilter struct {
	in                    *instrument
	kind, currency, label string
	triggers              bool
}

func (f orderFilter) of(orders []*order) []*order {
	var out []*order
	for _, o := range orders {
		if !f.triggers && (f.in == nil || f.in == o.in) && o.in.is(f.kind, f.currency) && (f.label == "" || f.label == o.label) {
			out = append(out, o)
		}
	}
	return out
}

// onlyTriggers reads the type of orders that is wanted, and reports whether it is one of trigger orders.
func (p *params) onlyTriggers() bool {
	kind := p.choice("type", "all", typeLimit, "trigger_all", "stop", "take", "stop_all", "stop_limit", "stop_market",
		"take_all", "take_limit", "take_market", "trailing_all", "trailing_stop")
	return kind != "all" && kind != typeLimit
}

func (m *Market) found(c Caller, p *params, f orderFilter) (any, *Error) {
	if p.fault != nil {
		return nil, p.fault
	}
	return views(f.of(m.account(c.Account).open)), nil
}

// getOpenOrders is private/get_open_orders, and its forms by currency and by label.
func (m *Market) getOpenOrders(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	f := orderFilter{kind: p.kind(), currency: p.currency(), label: p.label(), triggers: p.onlyTriggers()}
	return m.found(c, p, f)
}

func (m *Market) getOpenOrdersByInstrument(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	return m.found(c, p, orderFilter{in: p.instrument(m), triggers: p.onlyTriggers()})
}

func (m *Market) getOrderState(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	o, fault := m.anyOrder(c, read(raw))
	if fault != nil {
		return nil, fault
	}
	return o.view(), nil
}

// getOrderStateByLabel finds finished orders too.
func (m *Market) getOrderStateByLabel(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	f := orderFilter{currency: p.need("currency").currency()}
	label := p.label()
	if p.fault != nil {
		return nil, p.fault
	}
	return views(f.of(m.account(c.Account).labels[label])), nil
}

// getOrderHistory is private/get_order_history_by_currency: finished orders, latest first.
func (m *Market) getOrderHistory(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	return m.finished(c, p, orderFilter{currency: p.need("currency").currency(), kind: p.kind()})
}

func (m *Market) getOrderHistoryByInstrument(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	return m.finished(c, p, orderFilter{in: p.instrument(m)})
}

func (m *Market) finished(c Caller, p *params, f orderFilter) (any, *Error) {
	count, offset, unfilled := p.count(20), p.integer("offset"), p.flag("include_unfilled")
	p.unsupported("with_continuation")
	if offset < 0 {
		p.refuse("offset", "must not be negative")
	}
	if p.fault != nil {
		return nil, p.fault
	}
	orders := slices.DeleteFunc(f.of(m.account(c.Account).history), func(o *order) bool {
		return o.state == stateOpen || o.filled == 0 && !unfilled
	})
	slices.Reverse(orders)
	orders = orders[min(int(offset), len(orders)):]
	return views(orders[:min(count, len(orders))]), nil
}

// tradePage is a list of trades and whether there are more.
type tradePage[T any] struct {
	Trades  []T  `json:"trades"`
	HasMore bool `json:"has_more"`
}

// span is which trades are wanted.
type span struct {
	in               *instrument
	kind, currency   string
	fromSeq, toSeq   int64
	fromID, toID     string
	fromTime, toTime int64
	count            int
	sorting          string
}

func (p *params) span() span {
	return span{
		kind: p.kind(), currency: p.currency(),
		fromSeq: p.integer("start_seq"), toSeq: p.integer("end_seq"),
		fromID: p.text("start_id"), toID: p.text("end_id"),
		fromTime: p.integer("start_timestamp"), toTime: p.integer("end_timestamp"),
		count: p.count(10), sorting: p.choice("sorting", "default", "asc", "desc"),
	}
}

// wants reports whether a trade lies within the span.
func (s *span) wants(m *Market, t *publicTrade) bool {
	in := m.byName[t.Instrument]
	return (s.in == nil || s.in == in) && in.is(s.kind, s.currency) &&
		(s.fromSeq == 0 || t.Seq >= s.fromSeq) && (s.toSeq == 0 || t.Seq <= s.toSeq) &&
		(s.fromTime == 0 || t.Timestamp >= s.fromTime) && (s.toTime == 0 || t.Timestamp <= s.toTime) &&
		(s.fromID == "" || !before(t.ID, s.fromID)) && (s.toID == "" || !before(s.toID, t.ID))
}

// before compares the numbers of two trades; what stands before the last dash is a prefix.
func before(a, b string) bool {
	a, b = a[strings.LastIndex(a, "-")+1:], b[strings.LastIndex(b, "-")+1:]
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// page cuts what a span wants out of trades, oldest first. Sorted ascending it begins at the oldest, else at the latest.
func page[T any](s span, trades []T) tradePage[T] {
	if s.sorting != "asc" {
		slices.Reverse(trades)
	}
	n := min(s.count, len(trades))
	return tradePage[T]{Trades: append([]T{}, trades[:n]...), HasMore: n < len(trades)}
}

func (m *Market) getUserTrades(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	p.need("currency")
	return m.userTrades(c, p, p.span())
}

func (m *Market) getUserTradesByInstrument(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in, s := p.instrument(m), p.span()
	s.in = in
	return m.userTrades(c, p, s)
}

func (m *Market) userTrades(c Caller, p *params, s span) (any, *Error) {
	if p.fault != nil {
		return nil, p.fault
	}
	var out []*userTrade
	for _, t := range m.account(c.Account).trades {
		if s.wants(m, &t.publicTrade) {
			out = append(out, t)
		}
	}
	return page(s, out), nil
}

func (m *Market) getUserTradesByOrder(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	o, fault := m.anyOrder(c, p)
	if fault != nil {
		return nil, fault
	}
	trades := slices.Clone(o.trades)
	if p.choice("sorting", "default", "asc", "desc") != "asc" {
		slices.Reverse(trades)
	}
	if p.fault != nil {
		return nil, p.fault
	}
	return trades, nil
}
