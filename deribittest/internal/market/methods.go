package market

import (
	"encoding/json"
	"time"
)

// Scopes that methods need.
const (
	scopeRead    = "trade:read"
	scopeTrade   = "trade:read_write"
	scopeAccount = "account:read"
)

// Methods returns the market's methods by name. Scopes are those of the published descriptions.
func (m *Market) Methods() map[string]Method {
	return map[string]Method{
		"public/get_currencies":                          {"", (*Market).getCurrencies},
		"public/get_instruments":                         {"", (*Market).getInstruments},
		"public/get_instrument":                          {"", (*Market).getInstrument},
		"public/get_contract_size":                       {"", (*Market).getContractSize},
		"public/get_order_book":                          {"", (*Market).getOrderBook},
		"public/get_order_book_by_instrument_id":         {"", (*Market).getOrderBookByID},
		"public/ticker":                                  {"", (*Market).getTicker},
		"public/get_book_summary_by_currency":            {"", (*Market).getBookSummaries},
		"public/get_book_summary_by_instrument":          {"", (*Market).getBookSummary},
		"public/get_index_price":                         {"", (*Market).getIndexPrice},
		"public/get_index_price_names":                   {"", (*Market).getIndexPriceNames},
		"public/get_last_trades_by_instrument":           {"", (*Market).getLastTrades},
		"public/get_last_trades_by_currency":             {"", (*Market).getLastTradesByCurrency},
		"public/get_last_trades_by_instrument_and_time":  {"", timed((*Market).getLastTrades)},
		"public/get_last_trades_by_currency_and_time":    {"", timed((*Market).getLastTradesByCurrency)},
		"public/get_tradingview_chart_data":              {"", (*Market).chartData},
		"private/buy":                                    {scopeTrade, (*Market).buy},
		"private/sell":                                   {scopeTrade, (*Market).sell},
		"private/edit":                                   {scopeTrade, (*Market).edit},
		"private/edit_by_label":                          {scopeTrade, (*Market).editByLabel},
		"private/cancel":                                 {scopeTrade, (*Market).cancel},
		"private/cancel_all":                             {scopeTrade, (*Market).cancelAll},
		"private/cancel_all_by_currency":                 {scopeTrade, needs("currency", (*Market).cancelAll)},
		"private/cancel_all_by_instrument":               {scopeTrade, (*Market).cancelByInstrument},
		"private/cancel_by_label":                        {scopeTrade, (*Market).cancelByLabel},
		"private/get_open_orders":                        {scopeRead, (*Market).getOpenOrders},
		"private/get_open_orders_by_currency":            {scopeRead, needs("currency", (*Market).getOpenOrders)},
		"private/get_open_orders_by_label":               {scopeRead, needs("currency", (*Market).getOpenOrders)},
		"private/get_open_orders_by_instrument":          {scopeRead, (*Market).getOpenOrdersByInstrument},
		"private/get_order_state":                        {scopeRead, (*Market).getOrderState},
		"private/get_order_state_by_label":               {scopeRead, (*Market).getOrderStateByLabel},
		"private/get_order_history_by_currency":          {scopeRead, (*Market).getOrderHistory},
		"private/get_order_history_by_instrument":        {scopeRead, (*Market).getOrderHistoryByInstrument},
		"private/get_user_trades_by_currency":            {scopeRead, (*Market).getUserTrades},
		"private/get_user_trades_by_instrument":          {scopeRead, (*Market).getUserTradesByInstrument},
		"private/get_user_trades_by_currency_and_time":   {scopeRead, timed((*Market).getUserTrades)},
		"private/get_user_trades_by_instrument_and_time": {scopeRead, timed((*Market).getUserTradesByInstrument)},
		"private/get_user_trades_by_order":               {scopeRead, (*Market).getUserTradesByOrder},
		"private/get_positions":                          {scopeRead, (*Market).getPositions},
		"private/get_position":                           {scopeRead, (*Market).getPosition},
		"private/get_margins":                            {scopeRead, (*Market).getMargins},
		"private/get_account_summary":                    {scopeAccount, (*Market).getAccountSummary},
		"private/get_account_summaries":                  {scopeAccount, (*Market).getAccountSummaries},
	}
}

type call = func(m *Market, c Caller, params json.RawMessage, now time.Time) (any, *Error)

// needs refuses a call without a parameter that another form of the same method does not require.
func needs(name string, then call) call {
	return func(m *Market, c Caller, raw json.RawMessage, now time.Time) (any, *Error) {
		if p := read(raw).need(name); p.fault != nil {
			return nil, p.fault
		}
		return then(m, c, raw, now)
	}
}

// timed is the form of a method that requires a span of time.
func timed(then call) call { return needs("start_timestamp", needs("end_timestamp", then)) }
