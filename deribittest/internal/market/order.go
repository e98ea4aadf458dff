package market

import "time"

// States of orders, and why one was cancelled.
const (
	stateOpen      = "open"
	stateFilled    = "filled"
	stateCancelled = "cancelled"

	reasonUser       = "user_request"
	reasonDisconnect = "cancel_on_disconnect"
)

// Types and times in force of orders.
const (
	typeLimit       = "limit"
	typeMarket      = "market"
	typeMarketLimit = "market_limit"

	untilCancelled    = "good_til_cancelled"
	untilDay          = "good_til_day"
	fillOrKill        = "fill_or_kill"
	immediateOrCancel = "immediate_or_cancel"
)

// order is one order of an account, or of the house when it has no owner.
type order struct {
	id     string
	number int64
	owner  *account
	conn   uint64
	in     *instrument
	side   side

	ticks   int64 // the limit
	lots    int64
	filled  int64
	paid    float64 // sum of price times lots, for the average
	state   string
	reason  string
	kind    string
	force   string
	label   string
	created time.Time
	updated time.Time

	postOnly, rejectPostOnly, reduceOnly, replaced bool

	trades []*userTrade
}

// left is what is not filled, in lots.
func (o *order) left() int64 { return o.lots - o.filled }

// orderView is an order as the exchange shows it.
type orderView struct {
	ID             string  `json:"order_id"`
	State          string  `json:"order_state"`
	Type           string  `json:"order_type"`
	OriginalType   string  `json:"original_order_type,omitempty"`
	TimeInForce    string  `json:"time_in_force"`
	Instrument     string  `json:"instrument_name"`
	Direction      string  `json:"direction"`
	Price          float64 `json:"price"`
	Amount         float64 `json:"amount"`
	Contracts      float64 `json:"contracts"`
	FilledAmount   float64 `json:"filled_amount"`
	AveragePrice   float64 `json:"average_price"`
	MaxShow        float64 `json:"max_show"` // shown in the published examples, unknown to the schema
	Label          string  `json:"label"`
	CancelReason   string  `json:"cancel_reason,omitempty"`
	PostOnly       bool    `json:"post_only"`
	RejectPostOnly bool    `json:"reject_post_only,omitempty"`
	ReduceOnly     bool    `json:"reduce_only"`
	Replaced       bool    `json:"replaced"`
	Liquidation    bool    `json:"is_liquidation"`
	API            bool    `json:"api"`
	Web            bool    `json:"web"`
	MMP            bool    `json:"mmp"`
	RiskReducing   bool    `json:"risk_reducing"`
	Created        int64   `json:"creation_timestamp"`
	Updated        int64   `json:"last_update_timestamp"`
}

// view shows the order as it stands.
func (o *order) view() orderView {
	in := o.in
	v := orderView{
		ID: o.id, State: o.state, Type: o.kind, TimeInForce: o.force, Instrument: in.Name,
		Direction: o.side.String(), Price: in.tick.value(o.ticks), Amount: in.lot.value(o.lots),
		FilledAmount: in.lot.value(o.filled), MaxShow: in.lot.value(o.lots), Label: o.label, CancelReason: o.reason,
		PostOnly: o.postOnly, RejectPostOnly: o.rejectPostOnly, ReduceOnly: o.reduceOnly, Replaced: o.replaced,
		API: true, Created: o.created.UnixMilli(), Updated: o.updated.UnixMilli(),
	}
	v.Contracts = v.Amount / float64(in.ContractSize)
	if o.kind == typeMarketLimit {
		v.Type, v.OriginalType = typeLimit, typeMarketLimit
	}
	if o.filled > 0 {
		v.AveragePrice = round(o.paid/float64(o.filled), 8)
	}
	return v
}

// views shows many orders; the result is a list even when there are none.
func views(orders []*order) []orderView {
	out := make([]orderView, 0, len(orders))
	for _, o := range orders {
		out = append(out, o.view())
	}
	return out
}
