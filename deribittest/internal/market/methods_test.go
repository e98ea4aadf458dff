package market_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// TestEveryMethod calls every method with what it wants, for instruments of each kind, and holds the replies against the
// published schemas.
func TestEveryMethod(t *testing.T) {
	t.Parallel()
	b := open(t)
	instruments := must[[]instrument](b, 0, "public/get_instruments", args{"currency": "any"})
	if len(instruments) < 40 {
		t.Errorf("%d instruments", len(instruments))
	}
	kinds := map[string]instrument{}
	for _, in := range instruments {
		kinds[in.Kind+" "+in.Currency] = in
	}
	for _, in := range kinds {
		buy := must[placed](b, alice, "private/buy", args{"instrument_name": in.Name, "amount": in.MinAmount, "type": "market"})
		params := args{
			"instrument_name": in.Name, "currency": "BTC", "order_id": buy.Order.ID, "label": "x", "instrument_id": in.ID,
			"start_timestamp": b.now.Add(-time.Hour).UnixMilli(), "end_timestamp": b.now.UnixMilli(), "resolution": "5",
			"index_name": "btc_usd", "amount": in.MinAmount, "price": buy.Order.Average,
		}
		for name := range b.market.Methods() {
			with := params
			switch name {
			case "private/buy", "private/sell": // the account's own order must not be taken
				must[int](b, alice, "private/cancel_all", nil)
				with = params.with(args{"type": "market"})
			case "private/edit", "private/edit_by_label", "private/cancel":
				must[int](b, alice, "private/cancel_all", nil)
				order := must[placed](b, alice, "private/buy", b.resting(in.Name)).Order
				with = args{"order_id": order.ID, "instrument_name": in.Name, "label": "rests", "price": order.Price, "amount": order.Amount}
			case "private/get_user_trades_by_instrument", "private/get_user_trades_by_currency", "public/get_last_trades_by_currency", "public/get_last_trades_by_instrument":
				with = args{"instrument_name": in.Name, "currency": "any"}
			}
			must[any](b, alice, name, with)
		}
	}
	seen := b.schemas.Seen()
	for name := range b.market.Methods() {
		if seen[name] == 0 {
			t.Errorf("no schema has judged %s", name)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for name, m := range open(t).market.Methods() {
		if public := strings.HasPrefix(name, "public/"); public != (m.Scope == "") {
			t.Errorf("%s needs %q", name, m.Scope)
		}
	}
}

func TestMarketDataRefusals(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, c := range []struct {
		method string
		code   int
		params args
	}{
		{"public/ticker", -32602, nil},
		{"public/get_order_book", -32602, args{"instrument_name": btc, "depth": 7}},
		{"public/get_order_book_by_instrument_id", 13020, args{"instrument_id": 1}},
		{"public/get_instruments", -32602, args{"currency": "XYZ"}},
		{"public/get_instruments", -32602, args{"kind": "stock"}},
		{"public/get_index_price", -32602, args{"index_name": "doge_usd"}},
		{"public/get_last_trades_by_instrument", -32602, args{"instrument_name": btc, "count": 1001}},
		{"public/get_last_trades_by_currency", -32602, nil},
		{"public/get_last_trades_by_instrument_and_time", -32602, args{"instrument_name": btc, "start_timestamp": 0}},
		{"public/get_book_summary_by_currency", -32602, nil},
		{"public/get_tradingview_chart_data", -32602, args{"instrument_name": btc, "start_timestamp": 0, "end_timestamp": 1, "resolution": "7"}},
		{"private/get_account_summary", -32602, args{"currency": "any"}},
		{"private/get_order_history_by_currency", -32602, args{"currency": "BTC", "offset": -1}},
		{"private/get_order_history_by_currency", -32602, args{"currency": "BTC", "offset": 1.5}},
	} {
		b.refused(c.code, alice, c.method, c.params)
	}
}

// TestEveryBookIsFilled shows that no seed leaves an instrument without prices.
func TestEveryBookIsFilled(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		b := open(t)
		b.market = market.New(seed, 0, b.now)
		for _, in := range must[[]instrument](b, 0, "public/get_instruments", args{"currency": "any"}) {
			if bid, ask := b.best(in.Name); bid <= 0 || ask <= bid {
				t.Errorf("seed %d: %s is at %v, %v", seed, in.Name, bid, ask)
			}
		}
	}
}

func TestListingsByKindAndCurrency(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, c := range []struct{ kind, currency string }{{"future", "BTC"}, {"option", "ETH"}, {"spot", "BTC"}, {"spot", "USDC"}, {"future", "USDC"}} {
		list := must[[]instrument](b, 0, "public/get_instruments", args{"kind": c.kind, "currency": c.currency})
		if len(list) == 0 {
			t.Errorf("no %s of %s", c.kind, c.currency)
		}
		for _, in := range list {
			if in.Kind != c.kind || in.Currency != c.currency && c.kind != "spot" {
				t.Errorf("%s is listed as a %s of %s", in.Name, c.kind, c.currency)
			}
		}
	}
	if list := must[[]instrument](b, 0, "public/get_instruments", args{"currency": "any", "expired": true}); len(list) != 0 {
		t.Errorf("expired: %+v", list)
	}
}

func TestChartAddsUp(t *testing.T) {
	t.Parallel()
	b := open(t)
	type chart struct {
		Status string    `json:"status"`
		Ticks  []int64   `json:"ticks"`
		Open   []float64 `json:"open"`
		High   []float64 `json:"high"`
		Low    []float64 `json:"low"`
		Close  []float64 `json:"close"`
		Cost   []float64 `json:"cost"`
	}
	span := args{
		"instrument_name": btc, "start_timestamp": b.now.Add(-2 * time.Hour).UnixMilli(), "end_timestamp": b.now.UnixMilli(),
	}
	fine := must[chart](b, 0, "public/get_tradingview_chart_data", span.with(args{"resolution": "1"}))
	coarse := must[chart](b, 0, "public/get_tradingview_chart_data", span.with(args{"resolution": "60"}))
	var fineCost, coarseCost float64
	for _, c := range fine.Cost {
		fineCost += c
	}
	for i, c := range coarse.Cost {
		coarseCost += c
		if coarse.Ticks[i]%3_600_000 != 0 || coarse.High[i] < max(coarse.Open[i], coarse.Close[i]) || coarse.Low[i] > min(coarse.Open[i], coarse.Close[i]) {
			t.Errorf("candle %d of %+v", i, coarse)
		}
	}
	if fine.Status != "ok" || fineCost == 0 || fineCost != coarseCost || fine.Open[0] != coarse.Open[0] {
		t.Errorf("minutes cost %v, hours %v", fineCost, coarseCost)
	}
	none := must[chart](b, 0, "public/get_tradingview_chart_data", span.with(args{"end_timestamp": 1, "start_timestamp": 0, "resolution": "1D"}))
	if none.Status != "no_data" || none.Ticks == nil || len(none.Ticks) != 0 {
		t.Errorf("no data: %+v", none)
	}
}

// TestPositions follows a position through opening, adding, reducing and turning, against the formulas of inverse contracts.
func TestPositions(t *testing.T) {
	t.Parallel()
	b := open(t)
	type position struct {
		Direction string  `json:"direction"`
		Size      float64 `json:"size"`
		Average   float64 `json:"average_price"`
		Realized  float64 `json:"realized_profit_loss"`
	}
	var value, size, realized float64 // in BTC and USD
	for i, step := range []struct {
		method string
		amount float64
	}{{"private/buy", 1000}, {"private/buy", 20000}, {"private/sell", 6000}, {"private/sell", 30000}, {"private/buy", 15000}} {
		got := must[placed](b, alice, step.method, args{"instrument_name": btc, "amount": step.amount, "type": "market"})
		b.tick(time.Second)
		for _, execution := range got.Trades {
			amount := execution.Amount
			if step.method == "private/sell" {
				amount = -amount
			}
			if size*amount < 0 { // closes some, or all
				closed := math.Copysign(min(math.Abs(amount), math.Abs(size)), size)
				realized += closed * (value/size - 1/execution.Price)
				value -= closed * value / size
				size -= closed
				amount += closed
			}
			size += amount
			value += amount / execution.Price
		}
		p := must[position](b, alice, "private/get_position", args{"instrument_name": btc})
		if p.Size != size || size != 0 && math.Abs(p.Average-size/value) > 1e-3 || math.Abs(p.Realized-realized) > 1e-6 {
			t.Errorf("step %d: %+v, want size %v at %v, realized %v", i, p, size, size/value, realized)
		}
	}
	p := must[position](b, alice, "private/get_position", args{"instrument_name": btc})
	if p.Direction != "zero" || p.Size != 0 {
		t.Errorf("at the end %+v", p)
	}
}

// TestMoney shows that what an account earns, pays and binds is in its summary.
func TestMoney(t *testing.T) {
	t.Parallel()
	b := open(t)
	type summary struct {
		Currency  string  `json:"currency"`
		Balance   float64 `json:"balance"`
		Available float64 `json:"available_funds"`
		Margin    float64 `json:"initial_margin"`
	}
	of := func(currency string) summary {
		return must[summary](b, alice, "private/get_account_summary", args{"currency": currency})
	}
	before := of("BTC")
	order := must[placed](b, alice, "private/buy", b.resting(btc).with(args{"amount": 100000})).Order
	bound := of("BTC")
	if want := 100000 / order.Price / 50; math.Abs(bound.Margin-want) > 1e-7 || math.Abs(before.Available-bound.Available-want) > 1e-7 {
		t.Errorf("an order binds %+v, want %v", bound, want)
	}
	must[int](b, alice, "private/cancel_all", nil)
	if after := of("BTC"); after != before {
		t.Errorf("after the cancel %+v, before %+v", after, before)
	}
	usdc := of("USDC")
	spot := must[placed](b, alice, "private/buy", args{"instrument_name": "BTC_USDC", "amount": 0.1, "type": "market"}).Order
	if got := of("BTC").Balance - before.Balance; math.Abs(got-0.1) > 1e-9 {
		t.Errorf("bought %v BTC", got)
	}
	if got := usdc.Balance - of("USDC").Balance; math.Abs(got-0.1*spot.Average) > 1e-5 {
		t.Errorf("paid %v, want %v", got, 0.1*spot.Average)
	}
	all := must[struct {
		Summaries []summary `json:"summaries"`
	}](b, alice, "private/get_account_summaries", nil)
	if len(all.Summaries) != 5 || all.Summaries[0] != of("BTC") {
		t.Errorf("summaries %+v", all.Summaries)
	}
}

// TestSeeds shows that a market's movements follow from its seed alone.
func TestSeeds(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		now := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
		m := market.New(seed, 0, now)
		m.Subscribe(0, "trades.any.any.raw")
		var b strings.Builder
		for range 100 {
			now = now.Add(20 * time.Millisecond)
			m.Tick(now)
			for _, e := range m.Drain() {
				b.Write(e.Data)
			}
		}
		return b.String()
	}
	one, again, two := run(1), run(1), run(2)
	if one != again || one == two {
		t.Error("the seed does not decide the market")
	}
}

// BenchmarkTick moves a market with 300 followed channels, as a run of the example does.
func BenchmarkTick(b *testing.B) {
	now := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
	m := market.New(1, 0, now)
	text := encode(b, first(m.Methods()["public/get_instruments"].Call(m, market.Caller{}, nil, now)))
	instruments, channels := decode[[]instrument](b, text), 0
	for _, family := range []string{"book.%.raw", "trades.%.raw", "ticker.%.raw", "book.%.100ms", "trades.%.100ms", "ticker.%.100ms", "quote.%"} {
		for _, in := range instruments {
			if channels < 300 {
				m.Subscribe(0, strings.Replace(family, "%", in.Name, 1))
				channels++
			}
		}
	}
	events := 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(20 * time.Millisecond)
		m.Tick(now)
		events += len(m.Drain())
	}
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
}
