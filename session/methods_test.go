package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func TestLaneOf(t *testing.T) {
	t.Parallel()
	cfg := session.Config{Lanes: map[string]rpc.Lane{"private/get_positions": rpc.LaneOrder, "private/buy": rpc.LaneControl}}
	for method, want := range map[string]rpc.Lane{
		"public/auth":                          rpc.LaneControl,
		"public/test":                          rpc.LaneControl,
		"public/set_heartbeat":                 rpc.LaneControl,
		"private/logout":                       rpc.LaneControl,
		"private/enable_cancel_on_disconnect":  rpc.LaneControl,
		"private/disable_cancel_on_disconnect": rpc.LaneControl,
		"private/reset_api_key":                rpc.LaneControl,
		"private/cancel":                       rpc.LaneCancel,
		"private/cancel_all_by_currency":       rpc.LaneCancel,
		"private/sell":                         rpc.LaneOrder,
		"private/edit":                         rpc.LaneOrder,
		"private/edit_by_label":                rpc.LaneOrder,
		"private/edit_api_key":                 rpc.LaneRead,
		"private/mass_quote":                   rpc.LaneOrder,
		"private/get_open_orders":              rpc.LaneRead,
		"public/ticker":                        rpc.LaneRead,
		"public/subscribe":                     rpc.LaneSubscribe,
		"private/unsubscribe":                  rpc.LaneSubscribe,
		"":                                     rpc.LaneRead,
		"private/get_positions":                rpc.LaneOrder,   // overridden
		"private/buy":                          rpc.LaneControl, // overridden
	} {
		if got := session.LaneOf(cfg, method); got != want {
			t.Errorf("lane of %q = %d, want %d", method, got, want)
		}
	}
}

func TestSensitive(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{
		"public/auth": true, "public/fork_token": true, "public/exchange_token": true, "private/logout": true,
		"private/reset_api_key": true, "private/list_api_keys": true, "private/change_scope_in_api_key": true,
		"private/enable_api_key": true, "private/buy": false, "public/subscribe": false, "public/test": false,
	} {
		if got := session.Sensitive(method); got != want {
			t.Errorf("Sensitive(%q) = %t, want %t", method, got, want)
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	notExecuted := func(c rpc.Class) rpc.Verdict { return rpc.Verdict{Class: c, NotExecuted: true} }
	doubtful := func(c rpc.Class) rpc.Verdict { return rpc.Verdict{Class: c} }
	for code, want := range map[rpc.Code]rpc.Verdict{
		10000: notExecuted(rpc.ClassReauthenticate), 13009: notExecuted(rpc.ClassReauthenticate),
		11056: notExecuted(rpc.ClassReauthenticate), 13778: notExecuted(rpc.ClassReauthenticate),
		13004: notExecuted(rpc.ClassStop), 12003: notExecuted(rpc.ClassStop),
		10028: notExecuted(rpc.ClassRetry), 10047: notExecuted(rpc.ClassRetry), 10066: notExecuted(rpc.ClassRetry),
		11051: notExecuted(rpc.ClassRetry), 10041: notExecuted(rpc.ClassRetry), 13025: notExecuted(rpc.ClassRetry),
		10040: doubtful(rpc.ClassRetry), 13028: doubtful(rpc.ClassRetry), 12998: doubtful(rpc.ClassRetry), 13043: doubtful(rpc.ClassRetry),
		13021: notExecuted(rpc.ClassPermanent), 13403: notExecuted(rpc.ClassPermanent), 13668: notExecuted(rpc.ClassPermanent),
		13888: notExecuted(rpc.ClassPermanent), -32700: notExecuted(rpc.ClassPermanent), -32600: notExecuted(rpc.ClassPermanent),
		-32601: notExecuted(rpc.ClassPermanent), -32602: notExecuted(rpc.ClassPermanent),
		// What is not known is not called safe.
		-32603: doubtful(rpc.ClassPermanent), 10001: doubtful(rpc.ClassPermanent), 10009: doubtful(rpc.ClassPermanent),
		11030: doubtful(rpc.ClassPermanent), 0: doubtful(rpc.ClassPermanent), 99999: doubtful(rpc.ClassPermanent),
	} {
		if got := session.Classify(code); got != want {
			t.Errorf("classify(%d) = %+v, want %+v", code, got, want)
		}
	}
}

func TestKindName(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]string{
		"book.BTC-PERPETUAL.raw": "book", "trades.future.BTC.100ms": "trades", "ticker.X.raw": "ticker",
		"user.orders.any.any.raw": "user.orders", "user.access_log": "user.access_log", "user.nonsense.x": "other",
		"deribit_price_index.btc_usd": "deribit_price_index", "announcements": "announcements",
		"": "other", ".": "other", "user": "other", "user.": "other", "bookish.x": "other", "quote": "quote",
		"block_trade_confirmations.btc": "block_trade_confirmations", "platform_state.public_methods_state": "platform_state",
	} {
		if got := session.KindName(channel); got != want {
			t.Errorf("KindName(%q) = %q, want %q", channel, got, want)
		}
	}
}

func TestIsPrivateChannel(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]bool{
		"user.orders.BTC-PERPETUAL.raw": true, "user.access_log": true, "block_rfq.maker.btc": true, "block_rfq.taker.btc": true,
		"block_trade_confirmations": true, "block_rfq.trades.btc": false, "book.BTC-PERPETUAL.raw": false, "userless": false, "": false,
	} {
		if got := session.IsPrivateChannel(channel); got != want {
			t.Errorf("IsPrivateChannel(%q) = %t, want %t", channel, got, want)
		}
	}
}
