package market_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// bookMessage is a message of a book's channel.
type bookMessage struct {
	Type string            `json:"type"`
	ID   int64             `json:"change_id"`
	Prev int64             `json:"prev_change_id"`
	Bids []json.RawMessage `json:"bids"`
	Asks []json.RawMessage `json:"asks"`
}

// replica is a book as a subscriber rebuilds it.
type replica struct {
	id         int64
	bids, asks map[float64]float64
}

func newReplica(t *testing.T, snapshot json.RawMessage) *replica {
	t.Helper()
	msg := decode[bookMessage](t, snapshot)
	if msg.Type != "snapshot" || msg.Prev != 0 {
		t.Fatalf("first message is a %s after %d", msg.Type, msg.Prev)
	}
	r := &replica{bids: map[float64]float64{}, asks: map[float64]float64{}}
	r.take(t, msg)
	return r
}

// apply follows one message of changes, whose chain must hold.
func (r *replica) apply(t *testing.T, data json.RawMessage) {
	t.Helper()
	msg := decode[bookMessage](t, data)
	if msg.Type != "change" || msg.Prev != r.id || msg.ID <= r.id {
		t.Fatalf("%s from %d to %d, the book is at %d", msg.Type, msg.Prev, msg.ID, r.id)
	}
	if len(msg.Bids)+len(msg.Asks) == 0 {
		t.Errorf("the message from %d to %d changes nothing", msg.Prev, msg.ID)
	}
	r.take(t, msg)
}

func (r *replica) take(t *testing.T, msg bookMessage) {
	t.Helper()
	r.id = msg.ID
	for side, changes := range map[*map[float64]float64][]json.RawMessage{&r.bids: msg.Bids, &r.asks: msg.Asks} {
		for _, change := range changes {
			var what string
			var price, amount float64
			if err := json.Unmarshal(change, &[]any{&what, &price, &amount}); err != nil {
				t.Fatal(err)
			}
			_, known := (*side)[price]
			if known != (what != "new") {
				t.Errorf("%s at %v, known before: %t", what, price, known)
			}
			if what == "delete" {
				delete(*side, price)
			} else {
				(*side)[price] = amount
			}
		}
	}
}

// full is the book as the exchange shows it.
func full(b *bench, name string) *replica {
	b.Helper()
	type orderBook struct {
		ID   int64        `json:"change_id"`
		Bids [][2]float64 `json:"bids"`
		Asks [][2]float64 `json:"asks"`
	}
	got := must[orderBook](b, 0, "public/get_order_book", args{"instrument_name": name, "depth": 10000})
	r := &replica{id: got.ID, bids: map[float64]float64{}, asks: map[float64]float64{}}
	for _, e := range got.Bids {
		r.bids[e[0]] = e[1]
	}
	for _, e := range got.Asks {
		r.asks[e[0]] = e[1]
	}
	return r
}

// TestBookChain trades at random, and rebuilds the book from the messages of each interval, with subscribers that come late.
func TestBookChain(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		b := open(t)
		rng := rand.New(rand.NewPCG(seed, 2))
		replicas := map[string]*replica{}
		for _, interval := range []string{"raw", "100ms", "agg2"} {
			channel := "book." + btc + "." + interval
			replicas[channel] = newReplica(t, b.subscribe(0, channel))
		}
		for i := range 400 {
			b.act(rng)
			for _, e := range b.events() {
				replicas[e.Channel].apply(t, e.Data)
			}
			for channel, r := range replicas {
				if i%20 != 0 {
					break
				}
				late, ok := b.market.Snapshot(0, channel, b.now)
				if !ok {
					t.Fatalf("%s has no snapshot", channel)
				}
				// Who comes late gets what the others have.
				if l := newReplica(t, late); l.id != r.id || !maps.Equal(l.bids, r.bids) || !maps.Equal(l.asks, r.asks) {
					t.Fatalf("%s: a late snapshot is at %d, the stream at %d", channel, l.id, r.id)
				}
			}
			raw := replicas["book."+btc+".raw"]
			if want := full(b, btc); !maps.Equal(raw.bids, want.bids) || !maps.Equal(raw.asks, want.asks) {
				t.Fatalf("the raw book has drifted from the exchange's")
			}
		}
		b.tick(2 * time.Second)
		for _, e := range b.events() {
			replicas[e.Channel].apply(t, e.Data)
		}
		want := full(b, btc)
		for channel, r := range replicas {
			if !maps.Equal(r.bids, want.bids) || !maps.Equal(r.asks, want.asks) {
				t.Errorf("%s has drifted", channel)
			}
		}
		for bid := range want.bids {
			for ask := range want.asks {
				if bid >= ask {
					t.Errorf("the book is crossed: %v >= %v", bid, ask)
				}
			}
		}
	}
}

// act does something at random: time passes, or an account trades.
func (b *bench) act(rng *rand.Rand) {
	b.Helper()
	account := int64(alice + rng.IntN(2))
	bid, _ := b.best(btc)
	terms := args{"instrument_name": btc, "amount": 10 * (1 + rng.IntN(3000)), "price": bid + 0.5*float64(rng.IntN(40)-20)}
	switch method := [...]string{"private/buy", "private/sell"}[rng.IntN(2)]; rng.IntN(6) {
	case 0, 1:
		b.tick(time.Duration(rng.IntN(50)) * time.Millisecond)
	case 2:
		if _, fault := b.try(account, method, terms); fault != nil && fault.Code != 10003 {
			b.Fatalf("%v: %+v", terms, fault)
		}
	case 3:
		terms["time_in_force"] = "immediate_or_cancel"
		if _, fault := b.try(account, method, terms); fault != nil && fault.Code != 10003 {
			b.Fatalf("%v: %+v", terms, fault)
		}
	case 4:
		must[int](b, account, "private/cancel_all", nil)
	case 5:
		if list := must[[]order](b, account, "private/get_open_orders", nil); len(list) > 0 {
			edit := args{"order_id": list[rng.IntN(len(list))].ID, "price": terms["price"]}
			if _, fault := b.try(account, "private/edit", edit); fault != nil && fault.Code != 10003 {
				b.Fatalf("%v: %+v", edit, fault)
			}
		}
	}
}

// TestEventsOfOneOrder shows what an account is told of an order that trades, on each of its channels.
func TestEventsOfOneOrder(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{btc, "future.BTC", "any.any"} {
		for _, interval := range []string{"raw", "100ms"} {
			t.Run(scope+" "+interval, func(t *testing.T) {
				t.Parallel()
				b := open(t)
				for _, family := range []string{"user.orders.", "user.trades.", "user.changes.", "trades."} {
					b.subscribe(map[bool]int64{true: 0, false: alice}[family == "trades."], family+scope+"."+interval)
				}
				b.subscribe(bob, "user.orders."+scope+"."+interval)
				got := must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 10, "type": "market"})
				if interval != "raw" {
					if early := b.events(); len(early) != 0 {
						t.Fatalf("told at once: %s", early[0].Channel)
					}
					b.tick(100 * time.Millisecond)
				}
				byFamily := map[string]market.Event{}
				for _, e := range b.events() {
					for _, family := range []string{"user.orders.", "user.trades.", "user.changes.", "trades."} {
						if e.Channel == family+scope+"."+interval {
							if _, again := byFamily[family]; !again {
								byFamily[family] = e
							}
						}
					}
				}
				checkEvents(t, byFamily, got, interval)
			})
		}
	}
}

func checkEvents(t *testing.T, events map[string]market.Event, got placed, interval string) {
	t.Helper()
	var orders []order
	if data := events["user.orders."].Data; interval == "raw" {
		orders = []order{decode[order](t, data)}
	} else {
		orders = decode[[]order](t, data)
	}
	if !slices.Equal(orders, []order{got.Order}) {
		t.Errorf("orders %+v, want %+v", orders, got.Order)
	}
	if trades := decode[[]trade](t, events["user.trades."].Data); !slices.Equal(trades, got.Trades) {
		t.Errorf("trades %+v, want %+v", trades, got.Trades)
	}
	changes := decode[struct {
		Instrument string           `json:"instrument_name"`
		Orders     []order          `json:"orders"`
		Trades     []trade          `json:"trades"`
		Positions  []map[string]any `json:"positions"`
	}](t, events["user.changes."].Data)
	if changes.Instrument != btc || !slices.Equal(changes.Orders, orders) || !slices.Equal(changes.Trades, got.Trades) || len(changes.Positions) != 1 {
		t.Errorf("changes %+v", changes)
	}
	public := decode[[]trade](t, events["trades."].Data)
	if !slices.ContainsFunc(public, func(p trade) bool { return p.ID == got.Trades[0].ID }) {
		t.Errorf("public trades %+v", public)
	}
	if events["user.orders."].Account != alice || events["trades."].Account != 0 {
		t.Errorf("accounts %d and %d", events["user.orders."].Account, events["trades."].Account)
	}
}

// TestEveryFamily subscribes to one channel of each family, and lets the market run: each tells what its schema says.
func TestEveryFamily(t *testing.T) {
	t.Parallel()
	b := open(t)
	public := []string{
		"book.BTC-PERPETUAL.raw", "book.ETH-PERPETUAL.100ms", "book.BTC-PERPETUAL.10.20.100ms", "book.SOL_USDC-PERPETUAL.none.10.raw",
		"ticker.BTC-PERPETUAL.raw", "ticker.BTC_USDC.agg2", "incremental_ticker.BTC-PERPETUAL", "quote.ETH-PERPETUAL",
		"trades.BTC-PERPETUAL.raw", "trades.option.ETH.100ms", "trades.any.any.agg2", "perpetual.BTC-PERPETUAL.100ms",
		"deribit_price_index.btc_usd", "deribit_price_index.sol_usdc", "deribit_volatility_index.btc_usd", "chart.trades.BTC-PERPETUAL.1",
	}
	private := []string{
		"user.orders.any.any.raw", "user.trades.future.BTC.100ms", "user.changes.BTC-PERPETUAL.agg2", "user.portfolio.BTC", "user.portfolio.any",
	}
	first := map[string]bool{}
	for _, channel := range public {
		first[channel] = b.subscribe(0, channel) != nil
	}
	for _, channel := range private {
		first[channel] = b.subscribe(alice, channel) != nil
	}
	heard := map[string]int{}
	for i := range 300 {
		if i%20 == 0 {
			must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 10, "type": "market"})
		}
		b.tick(20 * time.Millisecond)
		for _, e := range b.events() {
			heard[e.Channel]++
		}
	}
	for channel, snapshot := range first {
		if heard[channel] == 0 {
			t.Errorf("%s tells nothing", channel)
		}
		family, _, _ := cutFamily(channel)
		if want := slices.Contains([]string{"book", "ticker", "incremental_ticker", "quote", "perpetual", "deribit_volatility_index"}, family); snapshot != want {
			t.Errorf("%s: first message %t, want %t", channel, snapshot, want)
		}
	}
	if n := heard["incremental_ticker.BTC-PERPETUAL"]; n > 7 {
		t.Errorf("incremental_ticker told %d times in 6 s", n)
	}
	if n := heard["book.ETH-PERPETUAL.100ms"]; n > 61 {
		t.Errorf("a book of 100ms told %d times in 6 s", n)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	b := open(t)
	const channel = "ticker." + btc + ".raw"
	b.subscribe(0, channel)
	b.subscribe(0, channel)
	heard := func() int { b.tick(20 * time.Millisecond); return len(b.events()) }
	if heard() != 1 {
		t.Error("two subscribers of a stream do not share its messages")
	}
	b.market.Unsubscribe(0, channel)
	if heard() != 1 {
		t.Error("the stream ended with its first subscriber")
	}
	b.market.Unsubscribe(0, channel)
	b.market.Unsubscribe(0, channel)
	if heard() != 0 {
		t.Error("the stream goes on without subscribers")
	}
	if _, ok := b.market.Snapshot(0, channel, b.now); ok {
		t.Error("a stream without subscribers has a snapshot")
	}
}

// TestIncrementalTicker rebuilds the ticker from what changed.
func TestIncrementalTicker(t *testing.T) {
	t.Parallel()
	b := open(t)
	known := decode[map[string]any](t, b.subscribe(0, "incremental_ticker."+btc))
	for range 200 {
		b.tick(20 * time.Millisecond)
		for _, e := range b.events() {
			merge(known, decode[map[string]any](t, e.Data))
			if known["type"] != "change" {
				t.Fatalf("a %v", known["type"])
			}
		}
	}
	b.tick(time.Second)
	for _, e := range b.events() {
		merge(known, decode[map[string]any](t, e.Data))
	}
	delete(known, "type")
	want := must[map[string]any](b, 0, "public/ticker", args{"instrument_name": btc})
	if fmt.Sprint(known) != fmt.Sprint(want) {
		t.Errorf("rebuilt %v\nwant %v", known, want)
	}
	b.now = b.now.Add(2 * time.Minute)
	b.tick(0)
	if events := b.events(); len(events) != 1 || decode[map[string]any](t, events[0].Data)["type"] != "snapshot" {
		t.Errorf("after two silent minutes: %v", events)
	}
}

func merge(known, news map[string]any) {
	for name, value := range news {
		inner, nested := value.(map[string]any)
		if before, ok := known[name].(map[string]any); ok && nested {
			merge(before, inner)
			continue
		}
		known[name] = value
	}
}

// TestSilentChannels shows the channels that are taken, and on which nothing happens in this market.
func TestSilentChannels(t *testing.T) {
	t.Parallel()
	b := open(t)
	for channel, account := range map[string]int64{
		"platform_state": 0, "announcements": 0, "instrument.state.any.any": 0, "perpetual.BTC_USDC.raw": 0,
		"user.access_log": alice, "user.lock": alice,
	} {
		if first := b.subscribe(account, channel); first != nil {
			t.Errorf("%s begins with %s", channel, first)
		}
	}
	must[placed](b, alice, "private/buy", args{"instrument_name": btc, "amount": 10, "type": "market"})
	b.tick(2 * time.Second)
	if events := b.events(); len(events) != 0 {
		t.Errorf("told %s", events[0].Channel)
	}
}

// TestLongRun trades past what an instrument remembers, with a chart and its channel still right.
func TestLongRun(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.subscribe(0, "chart.trades."+btc+".W")
	for range 4600 { // one in four prints a trade
		b.now = b.now.Add(time.Minute)
		b.market.Tick(b.now)
	}
	b.events()
	got := must[struct {
		Trades []trade `json:"trades"`
	}](b, 0, "public/get_last_trades_by_instrument", args{"instrument_name": btc, "count": 1000, "sorting": "asc"})
	if len(got.Trades) < 500 {
		t.Fatalf("%d trades remembered", len(got.Trades))
	}
	for i, tr := range got.Trades[1:] {
		if tr.Seq != got.Trades[i].Seq+1 {
			t.Fatalf("trade %d after %d", tr.Seq, got.Trades[i].Seq)
		}
	}
}
