package session

import (
	"slices"
	"strings"
	"sync/atomic"
)

// kind counts what happens to a session's channels of one kind.
type kind struct {
	name          string
	dropped, gaps atomic.Uint64
	forgotten     uint64 // messages of channels that are no more; protected by the registry's lock
}

// kindNames is the closed set of channel kinds, so that no name that a server or a user makes up becomes a label.
var kindNames = []string{
	"announcements", "block_rfq", "block_trade_confirmations", "book", "chart", "deribit_price_index",
	"deribit_price_ranking", "deribit_price_statistics", "deribit_volatility_index", "estimated_expiration_price",
	"incremental_ticker", "instrument", "markprice", "perpetual", "platform_state", "quote", "ticker", "trades",
	"user.access_log", "user.changes", "user.combo_trades", "user.lock", "user.mmp_trigger", "user.orders",
	"user.portfolio", "user.trades",
}

const otherKind = "other"

// kindName is the kind of a channel: its first segment, or its first two if the first is "user".
func kindName(channel string) string {
	first, rest, _ := strings.Cut(channel, ".")
	if first == "user" {
		second, _, _ := strings.Cut(rest, ".")
		first += "." + second
	}
	if _, known := slices.BinarySearch(kindNames, first); known {
		return first
	}
	return otherKind
}
