package market

import (
	"encoding/json"
	"time"
)

// positionView is a position as the exchange shows it.
type positionView struct {
	Instrument      string   `json:"instrument_name"`
	Kind            string   `json:"kind"`
	Direction       string   `json:"direction"`
	Size            float64  `json:"size"`
	SizeCurrency    *float64 `json:"size_currency,omitempty"`
	AveragePrice    float64  `json:"average_price"`
	MarkPrice       float64  `json:"mark_price"`
	IndexPrice      float64  `json:"index_price"`
	SettlementPrice float64  `json:"settlement_price"`
	Delta           float64  `json:"delta"`
	Gamma           *float64 `json:"gamma,omitempty"`
	Vega            *float64 `json:"vega,omitempty"`
	Theta           *float64 `json:"theta,omitempty"`
	Floating        float64  `json:"floating_profit_loss"`
	Realized        float64  `json:"realized_profit_loss"`
	Total           float64  `json:"total_profit_loss"`
	InitialMargin   float64  `json:"initial_margin"`
	Maintenance     float64  `json:"maintenance_margin"`
	Leverage        int64    `json:"leverage,omitempty"`
	RealizedFunding *float64 `json:"realized_funding,omitempty"`
	InterestValue   *float64 `json:"interest_value,omitempty"`
}

// heldPosition is a position as its own methods show it.
type heldPosition struct {
	positionView

	OpenOrdersMargin float64 `json:"open_orders_margin"`
	LiquidationPrice float64 `json:"estimated_liquidation_price"`
}

// maintenance is the part of the initial margin that keeps a position alive.
const maintenance = 0.7

// view shows a position.
func (a *account) view(p *position) heldPosition {
	in := p.in
	v := heldPosition{positionView: positionView{
		Instrument: in.Name, Kind: in.Kind, Direction: "zero", Size: in.lot.value(p.lots), AveragePrice: round(p.cost, 8),
		MarkPrice: round(in.mark, in.markDecimals()), IndexPrice: in.index.price,
		SettlementPrice: round(in.index.anchor*in.basis, 2), Delta: round(p.delta(), 8),
		Floating: round(p.floating(), 8), Realized: round(p.realized, 8), Total: round(p.floating()+p.realized, 8),
		InitialMargin: round(p.margin(), 8), Maintenance: round(maintenance*p.margin(), 8), Leverage: in.MaxLeverage,
	}}
	if p.lots != 0 {
		v.Direction = side(p.lots / abs(p.lots)).String()
	}
	if in.Kind == kindOption {
		v.SettlementPrice = v.MarkPrice
		v.Gamma, v.Vega, v.Theta = scaled(in.value.gamma, v.Size), scaled(in.value.vega, v.Size), scaled(in.value.theta, v.Size)
	} else {
		v.SizeCurrency = scaled(p.delta(), 1)
	}
	if in.perpetual() {
		v.RealizedFunding, v.InterestValue = new(float64), scaled(1.7362511643080387, 1)
	}
	for _, o := range a.open {
		if o.in == in {
			_, bound := o.margin()
			v.OpenOrdersMargin += bound
		}
	}
	v.OpenOrdersMargin = round(v.OpenOrdersMargin, 8)
	return v
}

func scaled(v, by float64) *float64 {
	product := round(v*by, 8)
	return &product
}

// getPositions shows the positions that are not zero, in the order in which the instruments are listed.
func (m *Market) getPositions(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	kind, currency := p.kind(), p.currency()
	if p.fault != nil {
		return nil, p.fault
	}
	a, out := m.account(c.Account), []heldPosition{}
	for _, in := range m.instruments {
		if held, ok := a.positions[in.Name]; ok && held.lots != 0 && in.is(kind, currency) {
			out = append(out, a.view(held))
		}
	}
	return out, nil
}

func (m *Market) getPosition(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	if p.fault != nil {
		return nil, p.fault
	}
	a := m.account(c.Account)
	held, ok := a.positions[in.Name]
	if !ok {
		held = &position{in: in}
	}
	return a.view(held), nil
}

// margins is the result of private/get_margins.
type margins struct {
	Buy      float64 `json:"buy"`
	Sell     float64 `json:"sell"`
	MinPrice float64 `json:"min_price"`
	MaxPrice float64 `json:"max_price"`
}

func (m *Market) getMargins(_ Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	in := p.instrument(m)
	p.need("price")
	if p.fault != nil {
		return nil, p.fault
	}
	o := &order{in: in, lots: p.lots(in), ticks: p.ticks(in)}
	if p.fault != nil {
		return nil, p.fault
	}
	out := margins{}
	o.side = buy
	_, out.Buy = o.margin()
	o.side = sell
	_, out.Sell = o.margin()
	out.Buy, out.Sell = round(out.Buy, 8), round(out.Sell, 8)
	out.MinPrice, out.MaxPrice = in.limits()
	return out, nil
}
