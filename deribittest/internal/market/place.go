package market

import (
	"encoding/json"
	"strconv"
	"time"
)

// placed is the result of buy, sell and edit.
type placed struct {
	Order  orderView    `json:"order"`
	Trades []*userTrade `json:"trades"`
}

func (m *Market) buy(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	return m.place(c, buy, raw, now)
}

func (m *Market) sell(c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
	return m.place(c, sell, raw, now)
}

// place is private/buy and private/sell.
func (m *Market) place(c Caller, s side, raw json.RawMessage, now time.Time) (any, *Error) {
	p := read(raw)
	o := m.readOrder(p, s)
	if p.fault != nil {
		return nil, p.fault
	}
	o.owner, o.conn = m.account(c.Account), c.Conn
	o.created, o.updated = now, now
	if fault := m.acceptable(o, 0, p.validUntil(), now); fault != nil {
		return nil, fault
	}
	m.orderNumber++
	o.number = m.orderNumber
	o.id = o.in.numbered(strconv.FormatInt(m.orderNumber, 10))
	m.owners[o.id] = o.owner
	o.owner.admit(o)
	m.executed[o.label]++
	r := &report{in: o.in}
	r.changed(o)
	m.enter(r, o, now)
	m.publish(r, now)
	return placed{Order: o.view(), Trades: o.trades}, nil
}

// readOrder reads a new order. What this market does not do, it refuses with a code of the exchange.
func (m *Market) readOrder(p *params, s side) *order {
	o := &order{side: s, state: stateOpen, trades: []*userTrade{}}
	o.in = p.instrument(m)
	o.label = p.label()
	o.kind = p.choice("type", typeLimit, typeMarket, typeMarketLimit,
		"stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop")
	o.force = p.choice("time_in_force", untilCancelled, untilDay, fillOrKill, immediateOrCancel)
	o.reduceOnly, o.postOnly, o.rejectPostOnly = p.flag("reduce_only"), p.flag("post_only"), p.flag("reject_post_only")
	if p.fault != nil {
		return nil
	}
	switch {
	case o.kind != typeLimit && o.kind != typeMarket && o.kind != typeMarketLimit, p.has("linked_order_type"), p.has("advanced"):
		p.fault = reject(codeNotImplemented, "not_implemented")
		return nil
	case o.postOnly && (o.kind != typeLimit || o.force == fillOrKill || o.force == immediateOrCancel):
		p.fault = reject(codeUnsupportedArgs, "unsupported_arg_combination")
		return nil
	}
	o.lots = p.lots(o.in)
	o.ticks = m.limit(p, o)
	return o
}

// lots reads the amount of an order, in the instrument's unit or in contracts.
func (p *params) lots(in *instrument) int64 {
	amount := p.number("amount")
	switch contracts := p.number("contracts") * float64(in.ContractSize); {
	case p.has("amount") && p.has("contracts") && amount != contracts:
		p.refuse("contracts", "does not match amount")
	case p.has("contracts"):
		amount = contracts
	default:
		p.need("amount")
	}
	if p.fault != nil {
		return 0
	}
	lots, whole := in.lot.count(amount)
	switch {
	case amount <= 0, !whole:
		p.fault = &Error{Code: codeInvalidAmount, Message: "invalid_amount", Data: map[string]any{
			"reason": "must be a multiple of the minimum order size", "param": "amount",
		}}
	case lots < 1:
		p.fault = reject(codeQuantityTooLow, "qty_too_low")
	}
	return lots
}

// limit reads the price of a limit order. Others go as far as the market allows.
func (m *Market) limit(p *params, o *order) int64 {
	if o.kind == typeLimit {
		return p.need("price").ticks(o.in)
	}
	lowest, highest := o.in.limits()
	if o.side == sell {
		return o.in.tick.near(lowest)
	}
	return o.in.tick.near(highest)
}

// ticks reads a price.
func (p *params) ticks(in *instrument) int64 {
	price := p.number("price")
	if p.fault != nil {
		return 0
	}
	ticks, whole := in.tick.count(price)
	switch {
	case price <= 0:
		p.fault = reject(codeInvalidPrice, "invalid_price")
	case !whole || ticks < 1:
		p.fault = reject(codePriceWrongTick, "price_wrong_tick")
	}
	return ticks
}

// validUntil reads the time after which the matching engine must not act; zero for none.
func (p *params) validUntil() time.Time {
	if !p.has("valid_until") {
		return time.Time{}
	}
	return time.UnixMilli(p.integer("valid_until"))
}

// acceptable holds an order against the rules of the matching engine. Freed is the margin that an edited order gives back.
func (m *Market) acceptable(o *order, freed float64, until, now time.Time) *Error {
	if !until.IsZero() && now.After(until) {
		return reject(codeTimedOut, "timed_out")
	}
	lowest, highest := o.in.limits()
	switch price := o.in.tick.value(o.ticks); {
	case o.side == buy && price > highest:
		return reject(codePriceTooHigh, "price_too_high "+strconv.FormatFloat(highest, 'f', -1, 64))
	case o.side == sell && price < lowest:
		return reject(codePriceTooLow, "price_too_low "+strconv.FormatFloat(lowest, 'f', -1, 64))
	}
	if o.reduceOnly && !o.reduce() {
		return reject(codeOtherReject, "other_reject reduce_only")
	}
	if currency, bound := o.margin(); bound > o.owner.funds(currency).available()+freed {
		return reject(codeNotEnoughFunds, "not_enough_funds")
	}
	return m.crossing(o)
}

// reduce cuts a reduce-only order to the position that it reduces, and reports whether there is one.
func (o *order) reduce() bool {
	p, ok := o.owner.positions[o.in.Name]
	if !ok || p.lots*int64(o.side) >= 0 {
		return false
	}
	o.lots = min(o.lots, o.filled+abs(p.lots))
	return true
}

// crossing looks at what the order would take: nothing of its own account's, and nothing at all when it is post-only.
func (m *Market) crossing(o *order) *Error {
	other := o.in.book.of(-o.side)
	available, own := other.reach(o.ticks, o.left(), o.owner)
	switch {
	case o.postOnly && available > 0 && o.rejectPostOnly:
		return reject(codePostOnlyReject, "post_only_reject")
	case o.postOnly && available > 0: // just below the spread, as the exchange does
		if o.ticks = other.levels[0].ticks - int64(o.side); o.ticks < 1 {
			return reject(codeInvalidPrice, "invalid_price")
		}
	case own:
		return reject(codeOrderOverlap, "order_overlap")
	}
	return nil
}

// enter lets an accepted order trade, and rests or cancels what is left.
func (m *Market) enter(r *report, o *order, now time.Time) {
	book := &o.in.book
	o.owner.open = append(o.owner.open, o)
	available, _ := book.of(-o.side).reach(o.ticks, o.left(), o.owner)
	if o.force != fillOrKill || available == o.left() {
		m.match(r, o, now)
	}
	switch {
	case o.state != stateOpen:
		return
	case o.kind == typeMarket, o.force == fillOrKill, o.force == immediateOrCancel:
		o.state = stateCancelled
		o.owner.close(o)
		return
	case o.kind == typeMarketLimit && o.filled > 0: // the rest stays at the price of the last trade
		last, _ := o.in.tick.count(o.in.history.last)
		o.ticks = last
	}
	book.of(o.side).rest(o)
	m.touch(book)
}
