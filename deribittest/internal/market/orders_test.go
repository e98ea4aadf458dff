package market_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// resting is an order that rests: a bid far below the market.
func (b *bench) resting(name string) args {
	b.Helper()
	in := must[instrument](b, 0, "public/get_instrument", args{"instrument_name": name})
	bid, _ := b.best(name)
	price := float64(int(0.95*bid/in.TickSize)) * in.TickSize
	return args{"instrument_name": name, "amount": in.MinAmount, "type": "limit", "price": price, "label": "rests"}
}

func TestOrderRestsAndIsCancelled(t *testing.T) {
	t.Parallel()
	b := open(t)
	got := must[placed](b, alice, "private/buy", b.resting(btc)).Order
	if got.State != "open" || got.Filled != 0 || got.Label != "rests" {
		t.Fatalf("placed %+v", got)
	}
	for _, method := range []string{"private/get_open_orders", "private/get_open_orders_by_currency", "private/get_open_orders_by_label"} {
		list := must[[]order](b, alice, method, args{"currency": "BTC", "label": "rests"})
		if len(list) != 1 || list[0] != got {
			t.Errorf("%s: %+v", method, list)
		}
	}
	if list := must[[]order](b, alice, "private/get_open_orders_by_instrument", args{"instrument_name": btc}); len(list) != 1 {
		t.Errorf("open on the instrument: %+v", list)
	}
	cancelled := must[order](b, alice, "private/cancel", args{"order_id": got.ID})
	if cancelled.State != "cancelled" || cancelled.Reason != "user_request" {
		t.Errorf("cancelled %+v", cancelled)
	}
	b.refused(11044, alice, "private/cancel", args{"order_id": got.ID})
	b.refused(11044, alice, "private/edit", args{"order_id": got.ID, "amount": 20})
	if list := must[[]order](b, alice, "private/get_open_orders", nil); len(list) != 0 {
		t.Errorf("open after the cancel: %+v", list)
	}
	for _, currency := range []string{"BTC", "any"} {
		list := must[[]order](b, alice, "private/get_order_state_by_label", args{"currency": currency, "label": "rests"})
		if len(list) != 1 || list[0] != cancelled {
			t.Errorf("by label in %s: %+v", currency, list)
		}
	}
	if list := must[[]order](b, alice, "private/get_order_state_by_label", args{"currency": "ETH", "label": "rests"}); len(list) != 0 {
		t.Errorf("by label in another currency: %+v", list)
	}
	if n := b.market.Executed("rests"); n != 1 {
		t.Errorf("executed %d times", n)
	}
}

func TestMarketOrderTrades(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, ask := b.best(btc)
	got := must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 10, "type": "market", "label": "now"})
	if got.Order.State != "filled" || got.Order.Filled != 10 || got.Order.Average != ask {
		t.Errorf("order %+v, best ask %v", got.Order, ask)
	}
	if len(got.Trades) != 1 || got.Trades[0].Price != ask || got.Trades[0].Liquidity != "T" || got.Trades[0].OrderID != got.Order.ID {
		t.Fatalf("trades %+v", got.Trades)
	}
	type page struct {
		Trades  []trade `json:"trades"`
		HasMore bool    `json:"has_more"`
	}
	public := must[page](b, 0, "public/get_last_trades_by_instrument", args{"instrument_name": btc, "count": 1})
	if len(public.Trades) != 1 || public.Trades[0].ID != got.Trades[0].ID || !public.HasMore {
		t.Errorf("public trades %+v", public)
	}
	byInstrument := must[page](b, alice, "private/get_user_trades_by_instrument", args{"instrument_name": btc})
	byCurrency := must[page](b, alice, "private/get_user_trades_by_currency", args{"currency": "BTC"})
	byOrder := must[[]trade](b, alice, "private/get_user_trades_by_order", args{"order_id": got.Order.ID})
	for _, list := range [][]trade{byInstrument.Trades, byCurrency.Trades, byOrder} {
		if !slices.Equal(list, got.Trades) {
			t.Errorf("user trades %+v, want %+v", list, got.Trades)
		}
	}
	history := must[[]order](b, alice, "private/get_order_history_by_currency", args{"currency": "BTC"})
	if len(history) != 1 || history[0].ID != got.Order.ID {
		t.Errorf("history %+v", history)
	}
}

func TestAccountsTradeWithEachOther(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, ask := b.best(btc)
	offer := must[placed](b, alice, "private/sell", args{"instrument_name": btc, "amount": 30, "price": ask, "post_only": true})
	if offer.Order.State != "open" {
		t.Fatalf("offer %+v", offer.Order)
	}
	depth := must[ticker](b, 0, "public/ticker", args{"instrument_name": btc})
	taken := must[placed](b, bob, "private/buy", args{"instrument_name": btc, "amount": depth.AskAmount, "price": ask})
	if taken.Order.State != "filled" {
		t.Fatalf("taken %+v", taken.Order)
	}
	last := taken.Trades[len(taken.Trades)-1]
	if last.Amount != 30 {
		t.Errorf("last execution %+v: the account's offer stands behind the house's", last)
	}
	sold := must[order](b, alice, "private/get_order_state", args{"order_id": offer.Order.ID})
	if sold.State != "filled" || sold.Average != ask {
		t.Errorf("sold %+v", sold)
	}
	trades := must[[]trade](b, alice, "private/get_user_trades_by_order", args{"order_id": offer.Order.ID})
	if len(trades) != 1 || trades[0].Liquidity != "M" || trades[0].Direction != "sell" || trades[0].ID != last.ID {
		t.Errorf("the maker's trades %+v", trades)
	}
	b.refused(10029, bob, "private/get_order_state", args{"order_id": offer.Order.ID})
}

func TestTimeInForce(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, ask := b.best(btc)
	amount := must[ticker](b, 0, "public/ticker", args{"instrument_name": btc}).AskAmount
	whole := args{"instrument_name": btc, "amount": amount + 10, "price": ask}
	killed := must[placed](b, alice, "private/buy", whole.with(args{"time_in_force": "fill_or_kill"}))
	if killed.Order.State != "cancelled" || killed.Order.Filled != 0 || len(killed.Trades) != 0 {
		t.Errorf("fill or kill %+v", killed)
	}
	cut := must[placed](b, alice, "private/buy", whole.with(args{"time_in_force": "immediate_or_cancel"}))
	if cut.Order.State != "cancelled" || cut.Order.Filled != amount {
		t.Errorf("immediate or cancel %+v", cut)
	}
	stays := must[placed](b, alice, "private/buy", whole)
	if stays.Order.State != "open" || stays.Order.Filled != 0 {
		t.Errorf("good till cancelled %+v", stays)
	}
}

func TestPostOnly(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, ask := b.best(btc)
	crossing := args{"instrument_name": btc, "amount": 10, "price": ask + 1, "post_only": true}
	moved := must[placed](b, alice, "private/buy", crossing)
	if moved.Order.State != "open" || moved.Order.Price != ask-0.5 {
		t.Errorf("moved to %+v, best ask %v", moved.Order, ask)
	}
	b.refused(11054, alice, "private/buy", crossing.with(args{"reject_post_only": true}))
	b.refused(11047, alice, "private/buy", crossing.with(args{"time_in_force": "fill_or_kill"}))
}

func TestEdit(t *testing.T) {
	t.Parallel()
	b := open(t)
	got := must[placed](b, alice, "private/buy", b.resting(btc)).Order
	edited := must[placed](b, alice, "private/edit", args{"order_id": got.ID, "amount": 50, "price": got.Price + 10}).Order
	if edited.ID != got.ID || edited.Amount != 50 || edited.Price != got.Price+10 || !edited.Replaced || edited.State != "open" {
		t.Errorf("edited %+v", edited)
	}
	_, ask := b.best(btc)
	filled := must[placed](b, alice, "private/edit", args{"order_id": got.ID, "price": ask})
	if filled.Order.State != "filled" || len(filled.Trades) == 0 {
		t.Errorf("edited across the spread %+v", filled)
	}
	must[placed](b, alice, "private/buy", b.resting(btc))
	byLabel := args{"instrument_name": btc, "label": "rests", "amount": 70}
	if again := must[placed](b, alice, "private/edit_by_label", byLabel).Order; again.Amount != 70 {
		t.Errorf("edited by label %+v", again)
	}
	must[placed](b, alice, "private/buy", b.resting(btc))
	b.refused(10004, alice, "private/edit_by_label", byLabel)
	if n := b.market.Executed("rests"); n != 3 {
		t.Errorf("an edit counts as an order: %d", n)
	}
}

func TestReduceOnly(t *testing.T) {
	t.Parallel()
	b := open(t)
	reduce := args{"instrument_name": btc, "amount": 100, "type": "market", "reduce_only": true}
	b.refused(11030, alice, "private/sell", reduce)
	must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 40, "type": "market"})
	got := must[placed](b, alice, "private/sell", reduce).Order
	if got.State != "filled" || got.Filled != 40 {
		t.Errorf("reduced %+v", got)
	}
	if list := must[[]any](b, alice, "private/get_positions", args{"currency": "any"}); len(list) != 0 {
		t.Errorf("positions left: %v", list)
	}
}

func TestCancelMany(t *testing.T) {
	t.Parallel()
	const eth = "ETH-PERPETUAL"
	for name, c := range map[string]struct {
		method string
		params args
		want   int
	}{
		"all":            {"private/cancel_all", nil, 3},
		"a currency's":   {"private/cancel_all_by_currency", args{"currency": "BTC"}, 2},
		"a kind's":       {"private/cancel_all_by_currency", args{"currency": "ETH", "kind": "option"}, 0},
		"an instrument":  {"private/cancel_all_by_instrument", args{"instrument_name": eth}, 1},
		"triggers":       {"private/cancel_all_by_instrument", args{"instrument_name": btc, "type": "trigger_all"}, 0},
		"a label's":      {"private/cancel_by_label", args{"label": "rests"}, 2},
		"its currency's": {"private/cancel_by_label", args{"label": "rests", "currency": "ETH"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			must[placed](b, alice, "private/buy", b.resting(btc))
			must[placed](b, alice, "private/buy", b.resting(eth))
			must[placed](b, alice, "private/buy", b.resting(btc).with(args{"label": "other"}))
			must[placed](b, bob, "private/buy", b.resting(btc))
			if n := must[int](b, alice, c.method, c.params); n != c.want {
				t.Errorf("cancelled %d, want %d", n, c.want)
			}
			if left := must[[]order](b, alice, "private/get_open_orders", nil); len(left) != 3-c.want {
				t.Errorf("left %+v", left)
			}
			if left := must[[]order](b, bob, "private/get_open_orders", nil); len(left) != 1 {
				t.Errorf("the other account's: %+v", left)
			}
		})
	}
}

func TestCancelOnDisconnect(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.subscribe(alice, "user.orders.any.any.raw")
	got := must[placed](b, alice, "private/buy", b.resting(btc)).Order
	must[placed](b, bob, "private/buy", b.resting(btc))
	b.market.CancelOnDisconnect(alice, b.now) // connections have the numbers of their accounts here
	state := must[order](b, alice, "private/get_order_state", args{"order_id": got.ID})
	if state.State != "cancelled" || state.Reason != "cancel_on_disconnect" {
		t.Errorf("order %+v", state)
	}
	if left := must[[]order](b, bob, "private/get_open_orders", nil); len(left) != 1 {
		t.Errorf("the other connection's: %+v", left)
	}
	events := b.events()
	if last := decode[order](t, events[len(events)-1].Data); last != state {
		t.Errorf("last event %+v", last)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := open(t)
	good := b.resting(btc)
	_, ask := b.best(btc)
	for name, c := range map[string]struct {
		code   int
		params args
		param  string
	}{
		"no instrument":         {-32602, args{"instrument_name": nil}, "instrument_name"},
		"malformed instrument":  {-32602, args{"instrument_name": "BTC PERP"}, "instrument_name"},
		"unknown instrument":    {13020, args{"instrument_name": "BTC-PERPETUEL"}, ""},
		"no amount":             {-32602, args{"amount": nil}, "amount"},
		"amount is text":        {-32602, args{"amount": "10"}, "amount"},
		"amount of nothing":     {10021, args{"amount": 0}, "amount"},
		"negative amount":       {10021, args{"amount": -10}, "amount"},
		"between two lots":      {10021, args{"amount": 15}, "amount"},
		"contracts differ":      {-32602, args{"contracts": 7}, "contracts"},
		"no price":              {-32602, args{"price": nil}, "price"},
		"price of nothing":      {10023, args{"price": 0}, ""},
		"wrong tick":            {10043, args{"price": 60000.3}, ""},
		"far too high":          {10007, args{"price": 1e6}, ""},
		"absurd size":           {10009, args{"amount": 1e12}, ""},
		"long label":            {-32602, args{"label": strings.Repeat("x", 65)}, "label"},
		"unknown type":          {-32602, args{"type": "best"}, "type"},
		"trigger order":         {10033, args{"type": "stop_limit", "trigger_price": 1, "trigger": "last_price"}, ""},
		"linked order":          {10033, args{"linked_order_type": "one_cancels_other"}, ""},
		"unknown time in force": {-32602, args{"time_in_force": "forever"}, "time_in_force"},
		"too late":              {13888, args{"valid_until": b.now.Add(-time.Millisecond).UnixMilli()}, ""},
		"flag is text":          {-32602, args{"post_only": "yes"}, "post_only"},
	} {
		t.Run(name, func(t *testing.T) {
			fault := b.refused(c.code, alice, "private/buy", good.with(c.params))
			if c.param != "" && fault.Data["param"] != c.param {
				t.Errorf("param %v, want %s", fault.Data["param"], c.param)
			}
		})
	}
	b.refused(10005, alice, "private/sell", good.with(args{"price": 1}))
	b.refused(10004, alice, "private/cancel", args{"order_id": "no such"})
	b.refused(-32602, alice, "private/cancel_all_by_currency", nil)
	b.refused(-32602, alice, "private/cancel_by_label", nil)
	b.refused(10033, alice, "private/cancel_all", args{"detailed": true})
	b.refused(10033, alice, "private/get_order_history_by_currency", args{"currency": "BTC", "with_continuation": true})
	if n := b.market.Executed("rests"); n != 0 {
		t.Errorf("refused orders count as executed: %d", n)
	}
	must[placed](b, alice, "private/sell", args{"instrument_name": btc, "amount": 10, "price": ask})
	amount := must[ticker](b, 0, "public/ticker", args{"instrument_name": btc}).AskAmount
	b.refused(10003, alice, "private/buy", args{"instrument_name": btc, "amount": amount, "price": ask})
	if fault := b.refused(-32602, alice, "private/edit", args{}); fault.Data["param"] != "order_id" {
		t.Errorf("fault %+v", fault)
	}
}

func TestParametersThatAreNoObject(t *testing.T) {
	t.Parallel()
	b := open(t)
	for name, m := range b.market.Methods() {
		if _, fault := m.Call(b.market, market.Caller{Account: alice}, []byte(`[1]`), b.now); fault == nil || fault.Code != -32602 {
			switch name {
			case "public/get_currencies", "private/get_account_summaries": // read none
			default:
				t.Errorf("%s: %+v", name, fault)
			}
		}
	}
}

// TestMarketReachesARestingOrder shows the life of an order that the market comes to, as its account is told of it.
func TestMarketReachesARestingOrder(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.subscribe(alice, "user.orders."+btc+".raw")
	b.subscribe(alice, "user.trades."+btc+".raw")
	_, ask := b.best(btc)
	offer := must[placed](b, alice, "private/sell", args{"instrument_name": btc, "amount": 500, "price": ask + 1}).Order
	var filled, traded float64
	state := ""
	for range 5000 {
		b.tick(20 * time.Millisecond)
		for _, e := range b.events() {
			if strings.HasPrefix(e.Channel, "user.orders.") {
				o := decode[order](t, e.Data)
				if o.ID != offer.ID || o.Filled < filled {
					t.Fatalf("order %+v, filled before %v", o, filled)
				}
				filled, state = o.Filled, o.State
				continue
			}
			for _, got := range decode[[]trade](t, e.Data) {
				if got.Liquidity != "M" || got.Price != ask+1 {
					t.Errorf("trade %+v", got)
				}
				traded += got.Amount
			}
		}
		if state == "filled" {
			break
		}
	}
	if state != "filled" || filled != 500 || traded != 500 {
		t.Errorf("at the end %s, %v filled, %v traded", state, filled, traded)
	}
}

func TestMarketLimit(t *testing.T) {
	t.Parallel()
	b := open(t)
	got := must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 1_000_000, "type": "market_limit"})
	last := got.Trades[len(got.Trades)-1]
	if got.Order.State != "open" || got.Order.Filled == 0 || got.Order.Price != last.Price {
		t.Errorf("what is left stands as %+v, the last trade was %+v", got.Order, last)
	}
	if bid, _ := b.best(btc); bid != last.Price {
		t.Errorf("best bid %v, want %v", bid, last.Price)
	}
	fault := b.refused(10021, alice, "private/edit", args{"order_id": got.Order.ID, "amount": got.Order.Filled})
	if fault.Data["param"] != "amount" {
		t.Errorf("fault %+v", fault)
	}
	b.refused(10009, alice, "private/edit", args{"order_id": got.Order.ID, "amount": 1e12})
}

func TestShortOptionBindsMargin(t *testing.T) {
	t.Parallel()
	b := open(t)
	options := must[[]instrument](b, 0, "public/get_instruments", args{"currency": "BTC", "kind": "option"})
	must[placed](b, alice, "private/sell", args{"instrument_name": options[0].Name, "amount": 2, "type": "market"})
	p := must[struct {
		Direction string  `json:"direction"`
		Size      float64 `json:"size"`
		Margin    float64 `json:"initial_margin"`
	}](b, alice, "private/get_position", args{"instrument_name": options[0].Name})
	if p.Direction != "sell" || p.Size != -2 || p.Margin != 0.3 {
		t.Errorf("position %+v", p)
	}
}

func TestTradesBySpan(t *testing.T) {
	t.Parallel()
	b := open(t)
	const eth = "ETH-PERPETUAL"
	var all []trade
	for range 5 {
		got := must[placed](b, alice, "private/buy", args{"instrument_name": eth, "amount": 1, "type": "market"})
		all = append(all, got.Trades...)
	}
	type page struct {
		Trades  []trade `json:"trades"`
		HasMore bool    `json:"has_more"`
	}
	for name, c := range map[string]struct {
		method string
		params args
		want   []trade
	}{
		"from an id": {"private/get_user_trades_by_currency", args{"currency": "ETH", "start_id": all[2].ID, "sorting": "asc"}, all[2:]},
		"to an id":   {"private/get_user_trades_by_currency", args{"currency": "ETH", "end_id": all[2].ID, "sorting": "asc"}, all[:3]},
		"by number": {
			"private/get_user_trades_by_instrument",
			args{"instrument_name": eth, "start_seq": all[1].Seq, "end_seq": all[3].Seq, "sorting": "asc"},
			all[1:4],
		},
		"latest first": {"private/get_user_trades_by_currency", args{"currency": "ETH", "count": 1}, all[4:]},
		"too late": {
			"private/get_user_trades_by_instrument_and_time",
			args{"instrument_name": eth, "start_timestamp": b.now.Add(time.Second).UnixMilli(), "end_timestamp": b.now.Add(time.Hour).UnixMilli()},
			[]trade{},
		},
	} {
		got := must[page](b, alice, c.method, c.params)
		if !slices.Equal(got.Trades, c.want) || got.HasMore != (name == "latest first") {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
