package deribittest_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// Every method that the server knows succeeds here once, so that each result is held against its published schema.
// Asks: ccxt#6506, unicorn-binance-websocket-api#304, XChange#2964, XChange#747.
func TestEveryMethod(t *testing.T) {
	t.Parallel()
	s, v := validated(t, deribittest.Config{})
	k := s.AddKey(deribittest.KeyConfig{Name: "all"})
	c := dial(t, s)
	session := c.login(k, "session:a")
	do := func(method string, p params) answer {
		t.Helper()
		a := c.call(method, p)
		if a.Error != nil {
			t.Errorf("%s: %+v", method, a.Error)
		}
		return a
	}
	order := func(method, label string, p params) string {
		t.Helper()
		p["instrument_name"], p["amount"], p["label"] = "BTC-PERPETUAL", 10, label
		return result[struct {
			Order struct {
				ID string `json:"order_id"`
			} `json:"order"`
		}](t, do(method, p)).Order.ID
	}

	filled := order("private/buy", "filled", params{"type": "market"})
	order("private/sell", "resting", params{"type": "limit", "price": 1e6, "post_only": true})
	prices := result[struct {
		Min float64 `json:"min_price"`
		Max float64 `json:"max_price"`
	}](t, do("public/ticker", params{"instrument_name": "BTC-PERPETUAL"}))
	resting := order("private/sell", "resting", params{"type": "limit", "price": prices.Max})
	do("private/edit", params{"order_id": resting, "amount": 20, "price": prices.Max})
	labelled := order("private/buy", "alone", params{"type": "limit", "price": prices.Min})
	do("private/edit_by_label", params{"label": "alone", "instrument_name": "BTC-PERPETUAL", "amount": 20, "price": prices.Min})
	do("private/cancel", params{"order_id": labelled})

	instrument, currency := params{"instrument_name": "BTC-PERPETUAL"}, params{"currency": "BTC"}
	now := time.Now().UnixMilli()
	times := params{"start_timestamp": now - 3_600_000, "end_timestamp": now + 3_600_000}
	instrumentTimes, currencyTimes := with(times, instrument), with(times, currency)
	made := result[apiKey](t, do("private/create_api_key", params{"max_scope": "account:read", "name": "made"}))
	for _, step := range []struct {
		method string
		p      params
	}{
		{"public/fork_token", params{"refresh_token": session.RefreshToken, "session_name": "b"}},
		{"public/exchange_token", params{"refresh_token": session.RefreshToken, "subject_id": k.Account, "scope": "session:c"}},
		{"public/hello", params{"client_name": "test", "client_version": "1"}},
		{"public/test", nil},
		{"public/get_time", nil},
		{"public/status", nil},
		{"public/set_heartbeat", params{"interval": 30}},
		{"public/disable_heartbeat", nil},
		{"private/enable_cancel_on_disconnect", nil},
		{"private/get_cancel_on_disconnect", nil},
		{"private/disable_cancel_on_disconnect", nil},
		{"private/get_access_log", nil},
		{"private/get_user_locks", nil},
		{"public/subscribe", params{"channels": []string{book}}},
		{"public/unsubscribe", params{"channels": []string{book}}},
		{"public/unsubscribe_all", nil},
		{"private/subscribe", params{"channels": []string{log}}},
		{"private/unsubscribe", params{"channels": []string{log}}},
		{"private/unsubscribe_all", nil},

		{"private/list_api_keys", nil},
		{"private/edit_api_key", params{"id": made.ID, "max_scope": "trade:read"}},
		{"private/change_scope_in_api_key", params{"id": made.ID, "max_scope": "account:read"}},
		{"private/change_api_key_name", params{"id": made.ID, "name": "other"}},
		{"private/disable_api_key", params{"id": made.ID}},
		{"private/enable_api_key", params{"id": made.ID}},
		{"private/reset_api_key", params{"id": made.ID}},
		{"private/remove_api_key", params{"id": made.ID}},

		{"public/get_currencies", nil},
		{"public/get_instruments", currency},
		{"public/get_instrument", instrument},
		{"public/get_contract_size", instrument},
		{"public/get_order_book", instrument},
		{"public/get_order_book_by_instrument_id", params{"instrument_id": instrumentID(t, c)}},
		{"public/get_book_summary_by_currency", currency},
		{"public/get_book_summary_by_instrument", instrument},
		{"public/get_index_price", params{"index_name": "btc_usd"}},
		{"public/get_index_price_names", nil},
		{"public/get_last_trades_by_instrument", instrument},
		{"public/get_last_trades_by_currency", currency},
		{"public/get_tradingview_chart_data", with(instrumentTimes, params{"resolution": "1"})},
		{"public/get_last_trades_by_instrument_and_time", instrumentTimes},
		{"public/get_last_trades_by_currency_and_time", currencyTimes},

		{"private/get_open_orders", nil},
		{"private/get_open_orders_by_currency", currency},
		{"private/get_open_orders_by_label", params{"currency": "BTC", "label": "resting"}},
		{"private/get_open_orders_by_instrument", instrument},
		{"private/get_order_state", params{"order_id": filled}},
		{"private/get_order_state_by_label", params{"currency": "BTC", "label": "filled"}},
		{"private/get_order_history_by_currency", currency},
		{"private/get_order_history_by_instrument", instrument},
		{"private/get_user_trades_by_currency", currency},
		{"private/get_user_trades_by_instrument", instrument},
		{"private/get_user_trades_by_instrument_and_time", instrumentTimes},
		{"private/get_user_trades_by_currency_and_time", currencyTimes},
		{"private/get_user_trades_by_order", params{"order_id": filled}},
		{"private/get_positions", nil},
		{"private/get_position", instrument},
		{"private/get_margins", params{"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": prices.Min}},
		{"private/get_account_summary", params{"currency": "BTC", "extended": true}},
		{"private/get_account_summaries", nil},
		{"private/cancel_by_label", params{"label": "nothing"}},
		{"private/cancel_all_by_currency", params{"currency": "ETH"}},
		{"private/cancel_all_by_instrument", params{"instrument_name": "ETH-PERPETUAL"}},
		{"private/cancel_all", nil},
	} {
		do(step.method, step.p)
	}

	seen := v.Seen()
	for _, method := range s.Methods() {
		if seen[method] == 0 && method != "private/logout" { // which has no reply
			t.Errorf("%s was not judged", method)
		}
	}
}

// with returns both sets of parameters as one.
func with(a, b params) params {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func instrumentID(t *testing.T, c *client) int64 {
	t.Helper()
	return result[struct {
		ID int64 `json:"instrument_id"`
	}](t, c.call("public/get_instrument", params{"instrument_name": "BTC-PERPETUAL"})).ID
}

// Every family of channels has messages here, so that each is held against its published schema.
func TestEveryChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := deribittest.NewMemoryListener()
		s, v := validated(t, deribittest.Config{Listener: l, Tick: -1})
		c := dialMemory(t, s, l)
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		channels := []string{
			"book.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.100ms", "book.BTC-PERPETUAL.agg2", "book.BTC-PERPETUAL.none.10.100ms",
			"ticker.BTC-PERPETUAL.raw", "ticker.BTC-PERPETUAL.100ms", "incremental_ticker.BTC-PERPETUAL", "quote.BTC-PERPETUAL",
			"trades.BTC-PERPETUAL.raw", "trades.future.BTC.100ms", "perpetual.BTC-PERPETUAL.100ms", "chart.trades.BTC-PERPETUAL.1",
			"deribit_price_index.btc_usd", "deribit_volatility_index.btc_usd", "platform_state",
			"user.orders.BTC-PERPETUAL.raw", "user.orders.any.any.100ms", "user.trades.BTC-PERPETUAL.raw", "user.trades.future.BTC.100ms",
			"user.changes.BTC-PERPETUAL.raw", "user.changes.any.any.100ms", "user.portfolio.BTC", "user.access_log",
		}
		if got := c.channels("private/subscribe", channels...); !slices.Equal(got, channels) {
			t.Fatalf("subscribed %v", got)
		}
		c.call("private/buy", params{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market", "label": "x"})
		c.rest("resting")
		c.login(s.AddKey(deribittest.KeyConfig{}), "")
		s.MaintenanceNotice()
		for range 200 {
			pass(50 * time.Millisecond)
			s.Tick()
			c.call("public/test", nil)
		}
		for _, channel := range channels {
			if s.Published(channel) == 0 {
				t.Errorf("%s is silent", channel)
			}
		}
		// The families that the published documents describe.
		want := []string{
			"book.(instrument_name).(group).(depth).(interval)", "book.(instrument_name).(interval)", "chart.trades.(instrument_name).(resolution)",
			"deribit_price_index.(index_name)", "deribit_volatility_index.(index_name)", "incremental_ticker.(instrument_name)",
			"perpetual.(instrument_name).(interval)", "platform_state", "quote.(instrument_name)", "ticker.(instrument_name).(interval)",
			"trades.(instrument_name).(interval)", "trades.(kind).(currency).(interval)", "user.access_log",
			"user.changes.(instrument_name).(interval)", "user.changes.(kind).(currency).(interval)", "user.orders.(instrument_name).raw",
			"user.orders.(kind).(currency).(interval)", "user.portfolio.(currency)", "user.trades.(instrument_name).(interval)",
			"user.trades.(kind).(currency).(interval)",
		}
		seen := v.Seen()
		for _, pattern := range want {
			if seen[pattern] == 0 {
				t.Errorf("%s was not judged; judged were %v", pattern, slices.Sorted(maps.Keys(seen)))
			}
		}
	})
}
