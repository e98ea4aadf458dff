package market_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// cutFamily splits a channel name behind its family.
func cutFamily(name string) (family, rest string, found bool) {
	return strings.Cut(name, ".")
}

func TestChannels(t *testing.T) {
	t.Parallel()
	m := market.New(1, 0, time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC))
	for name, want := range map[string]market.ChannelInfo{
		"book.BTC-PERPETUAL.raw":                {Raw: true, Kind: "book"},
		"book.BTC-PERPETUAL.100ms":              {Kind: "book"},
		"book.ETH-PERPETUAL.250.1.agg2":         {Kind: "book.grouped"},
		"ticker.BTC_USDC.raw":                   {Raw: true, Kind: "ticker"},
		"quote.SOL_USDC-PERPETUAL":              {Kind: "quote"},
		"trades.any.any.raw":                    {Raw: true, Kind: "trades"},
		"trades.spot.USDC.agg2":                 {Kind: "trades"},
		"chart.trades.ETH-PERPETUAL.240":        {Kind: "chart.trades"},
		"instrument.state.any.any":              {Kind: "instrument.state"},
		"platform_state":                        {Kind: "platform_state"},
		"platform_state.public_methods_state":   {Kind: "platform_state.public_methods_state"},
		"announcements":                         {Kind: "announcements"},
		"user.orders.BTC-PERPETUAL.raw":         {Private: true, Raw: true, Kind: "user.orders"},
		"user.orders.any.any.100ms":             {Private: true, Kind: "user.orders"},
		"user.trades.option.BTC.agg2":           {Private: true, Kind: "user.trades"},
		"user.changes.future.USDC.raw":          {Private: true, Raw: true, Kind: "user.changes"},
		"user.portfolio.any":                    {Private: true, Kind: "user.portfolio"},
		"user.access_log":                       {Private: true, Kind: "user.access_log"},
		"user.lock":                             {Private: true, Kind: "user.lock"},
		"deribit_volatility_index.eth_usd":      {Kind: "deribit_volatility_index"},
		"deribit_price_index.sol_usdc":          {Kind: "deribit_price_index"},
		"perpetual.BTC-PERPETUAL.raw":           {Raw: true, Kind: "perpetual"},
		"incremental_ticker.BTC_USDC-PERPETUAL": {Kind: "incremental_ticker"},
	} {
		if got, ok := m.Channel(name); !ok || got != want {
			t.Errorf("%s: %+v %t, want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{
		"", ".", "book", "book.BTC-PERPETUAL", "book.BTC-PERPETUAL.50ms", "book.BTC-PERPETUEL.raw", "book.BTC-PERPETUAL.3.10.100ms",
		"book.BTC-PERPETUAL.none.11.100ms", "book.BTC-PERPETUAL.none.+1.100ms", "book.ETH-PERPETUAL.1.10.raw", "ticker.BTC-PERPETUAL",
		"ticker.BTC-PERPETUAL.raw.raw", "quote.btc-perpetual", "quote.BTC-PERPETUAL.raw", "trades.future.XYZ.raw", "trades.stock.BTC.raw",
		"trades.any.raw", "chart.trades.BTC-PERPETUAL.7", "chart.trades.BTC-PERPETUAL.720",
		"chart.trades.BTC-PERPETUAL.1D", "chart", "chart.candles.BTC-PERPETUAL.1", "user", "user.", "user.orders",
		"user.orders.BTC-PERPETUAL", "user.portfolio", "user.portfolio.DOGE", "user.access_log.BTC", "platform_state.x", "instrument.state.any",
		"deribit_price_index.doge_usd", "deribit_volatility_index.sol_usdc", "no.such.channel", " book.BTC-PERPETUAL.raw",
	} {
		if got, ok := m.Channel(name); ok {
			t.Errorf("%q is taken as %+v", name, got)
		}
	}
}

// FuzzChannel feeds names of channels: what is taken can be subscribed to, followed and left, and has the form of its kind.
func FuzzChannel(f *testing.F) {
	for _, name := range []string{
		"book.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.none.10.100ms", "trades.any.any.agg2", "user.orders.any.any.raw",
		"chart.trades.ETH-PERPETUAL.60", "user.portfolio.BTC", "platform_state", "..", "user.access_log",
	} {
		f.Add(name)
	}
	now := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
	m := market.New(1, 0, now)
	f.Fuzz(func(t *testing.T, name string) {
		info, ok := m.Channel(name)
		if !ok {
			m.Subscribe(0, name)
			if _, told := m.Snapshot(0, name, now); told {
				t.Errorf("%q is refused, and has a snapshot", name)
			}
			return
		}
		var account int64
		if info.Private {
			account = alice
		}
		if info.Private != strings.HasPrefix(name, "user.") || info.Raw != strings.HasSuffix(name, ".raw") {
			t.Errorf("%q is taken as %+v", name, info)
		}
		m.Subscribe(account, name)
		m.Snapshot(account, name, now)
		m.Tick(now)
		for _, e := range m.Drain() {
			if e.Channel != name || e.Account != account {
				t.Errorf("%q: an event of %q", name, e.Channel)
			}
		}
		m.Unsubscribe(account, name)
		m.Tick(now)
		if left := m.Drain(); len(left) != 0 {
			t.Errorf("%q: %d events after the last subscriber left", name, len(left))
		}
	})
}

// FuzzParams feeds parameters to every method. Whatever comes, there is one answer, JSON can carry it, and the books hold.
func FuzzParams(f *testing.F) {
	now := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
	m := market.New(1, 0, now)
	methods := m.Methods()
	for name := range methods {
		f.Add(name, []byte(`{"instrument_name":"BTC-PERPETUAL","amount":10,"price":65000,"currency":"BTC","label":"x"}`))
	}
	f.Add("private/buy", []byte(`{"instrument_name":"ETH-PERPETUAL","contracts":1e300,"type":"market","time_in_force":"fill_or_kill"}`))
	f.Add("private/sell", []byte(`{"instrument_name":"BTC_USDC","amount":0.0001,"price":1e-300,"post_only":true,"valid_until":1.5}`))
	f.Add("public/get_tradingview_chart_data", []byte(`{"instrument_name":"BTC-PERPETUAL","start_timestamp":-1e15,"end_timestamp":1e15,"resolution":"1D"}`))
	var account int64
	f.Fuzz(func(t *testing.T, name string, params []byte) {
		method, ok := methods[name]
		if !ok {
			return
		}
		account++ // each input finds an account of its own
		caller := market.Caller{Account: account, Conn: uint64(account)}
		m.Subscribe(account, "user.changes.any.any.raw")
		result, fault := method.Call(m, caller, params, now)
		if (result == nil) == (fault == nil) {
			t.Fatalf("%s %s: result %v, error %v", name, params, result, fault)
		}
		encode(t, result)
		encode(t, fault)
		m.CancelOnDisconnect(caller.Conn, now)
		left := first(methods["private/get_open_orders"].Call(m, caller, nil, now))
		if orders := decode[[]order](t, encode(t, left)); len(orders) != 0 {
			t.Errorf("%s %s: open after the disconnect: %+v", name, params, orders)
		}
		m.Tick(now)
		m.Unsubscribe(account, "user.changes.any.any.raw")
		m.Drain()
	})
}

func first(v any, _ *market.Error) any { return v }
