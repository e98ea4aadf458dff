package market

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// openOrder finds an open order of the caller by its id.
func (m *Market) openOrder(c Caller, p *params) (*order, *Error) {
	o, fault := m.anyOrder(c, p)
	if fault == nil && o.state != stateOpen {
		return nil, reject(codeNotOpenOrder, "not_open_order")
	}
	return o, fault
}

// anyOrder finds an order of the caller by its id, finished ones too.
func (m *Market) anyOrder(c Caller, p *params) (*order, *Error) {
	id := p.need("order_id").text("order_id")
	if p.fault != nil {
		return nil, p.fault
	}
	owner, ok := m.owners[id]
	switch {
	case !ok:
		return nil, reject(codeOrderNotFound, "order_not_found")
	case owner.id != c.Account:
		return nil, reject(codeNotOwner, "not_owner_of_order")
	}
	return owner.orders[id], nil
}

// edit is private/edit. The order loses its place in the queue, and may trade at its new price.
func (m *Market) edit(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	o, fault := m.openOrder(c, p)
	if fault != nil {
		return nil, fault
	}
	return m.change(o, p, now)
}

// editByLabel is private/edit_by_label. It works only when one open order of the instrument has the label.
func (m *Market) editByLabel(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	f := orderFilter{in: p.instrument(m), label: p.need("label").label()}
	if p.fault != nil {
		return nil, p.fault
	}
	orders := f.of(m.account(c.Account).open)
	if len(orders) != 1 {
		return nil, reject(codeOrderNotFound, "order_not_found")
	}
	return m.change(orders[0], p, now)
}

// change edits an open order.
func (m *Market) change(o *order, p *params, now time.Time) (any, *Error) {
	changed := *o
	p.amend(&changed)
	if p.fault != nil {
		return nil, p.fault
	}
	_, freed := o.margin()
	if fault := m.acceptable(&changed, freed, p.validUntil(), now); fault != nil {
		return nil, fault
	}
	o.in.book.of(o.side).withdraw(o)
	o.owner.close(o)
	m.touch(&o.in.book)
	o.ticks, o.lots, o.postOnly, o.reduceOnly = changed.ticks, changed.lots, changed.postOnly, changed.reduceOnly
	o.rejectPostOnly, o.replaced, o.updated = changed.rejectPostOnly, true, now
	before := len(o.trades)
	r := &report{in: o.in}
	r.changed(o)
	m.enter(r, o, now)
	m.publish(r, now)
	return placed{Order: o.view(), Trades: slices.Clone(o.trades[before:])}, nil
}

// amend reads what an edit changes of an order.
func (p *params) amend(o *order) {
	if p.has("amount") || p.has("contracts") {
		if o.lots = p.lots(o.in); p.fault == nil && o.left() < 1 {
			p.fault = &Error{Code: codeInvalidAmount, Message: "invalid_amount", Data: map[string]any{
				"reason": "must be greater than the filled amount", "param": "amount",
			}}
		}
	}
	if p.has("price") {
		o.ticks = p.ticks(o.in)
	}
	p.into("post_only", &o.postOnly)
	p.into("reject_post_only", &o.rejectPostOnly)
	p.into("reduce_only", &o.reduceOnly)
}

// cancel is private/cancel.
func (m *Market) cancel(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	o, fault := m.openOrder(c, read(raw))
	if fault != nil {
		return nil, fault
	}
	m.cancelOrders([]*order{o}, reasonUser, now)
	return o.view(), nil
}

// cancelOrders cancels open orders, and publishes once per instrument.
func (m *Market) cancelOrders(orders []*order, reason string, now time.Time) {
	var reports []*report
	for _, o := range orders {
		i := slices.IndexFunc(reports, func(r *report) bool { return r.in == o.in })
		if i < 0 {
			i = len(reports)
			reports = append(reports, &report{in: o.in})
		}
		o.in.book.of(o.side).withdraw(o)
		m.touch(&o.in.book)
		o.owner.close(o)
		o.state, o.reason, o.updated = stateCancelled, reason, now
		reports[i].changed(o)
	}
	for _, r := range reports {
		m.publish(r, now)
	}
}

// cancelled cancels the caller's open orders for which the filter holds, and answers their number.
func (m *Market) cancelled(c Caller, p *params, f orderFilter, now time.Time) (any, *Error) {
	p.unsupported("detailed")
	if p.fault != nil {
		return nil, p.fault
	}
	orders := f.of(m.account(c.Account).open)
	m.cancelOrders(orders, reasonUser, now)
	return len(orders), nil
}

// cancelAll is private/cancel_all, and with a currency private/cancel_all_by_currency.
func (m *Market) cancelAll(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	return m.cancelled(c, p, orderFilter{kind: p.kind(), currency: p.currency(), triggers: p.onlyTriggers()}, now)
}

func (m *Market) cancelByInstrument(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	return m.cancelled(c, p, orderFilter{in: p.instrument(m), triggers: p.onlyTriggers()}, now)
}

func (m *Market) cancelByLabel(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	return m.cancelled(c, p, orderFilter{label: p.need("label").label(), currency: p.currency()}, now)
}

// CancelOnDisconnect cancels the open orders that came over a connection.
func (m *Market) CancelOnDisconnect(conn uint64, now time.Time) {
	var orders []*order
	for _, a := range m.accounts {
		for _, o := range a.open {
			if o.conn == conn {
				orders = append(orders, o)
			}
		}
	}
	slices.SortFunc(orders, func(a, b *order) int { return cmp.Compare(a.number, b.number) })
	m.cancelOrders(orders, reasonDisconnect, now)
}
