package session_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/session"
)

// What changes nothing, by the exchange's documents, but for what is of the connection.
const (
	publicReads = `
get_announcements get_apr_history get_block_rfq_trades get_book_summary_by_currency get_book_summary_by_instrument
get_combo_details get_combo_ids get_combos get_contract_size get_currencies get_delivery_prices get_expirations
get_funding_chart_data get_funding_rate_history get_funding_rate_value get_historical_volatility get_index_price
get_index_price_names get_instrument get_instruments get_last_settlements_by_currency get_last_settlements_by_instrument
get_last_trades_by_currency get_last_trades_by_currency_and_time get_last_trades_by_instrument
get_last_trades_by_instrument_and_time get_mark_price_history get_order_book get_order_book_by_instrument_id
get_supported_index_names get_time get_trade_volumes get_tradingview_chart_data get_volatility_index_data status ticker`
	privateReads = `
get_access_log get_account_summaries get_account_summary get_address_beneficiary get_address_book get_affiliate_program_info
get_block_rfq_makers get_block_rfq_quotes get_block_rfq_user_info get_block_rfqs get_block_trade get_block_trade_requests
get_block_trades get_broker_trade_requests get_broker_trades get_current_deposit_address get_deposits get_email_language get_jwt
get_leg_prices get_margins get_mmp_config get_mmp_status get_new_announcements get_open_orders get_open_orders_by_currency
get_open_orders_by_instrument get_open_orders_by_label get_order_history_by_currency get_order_history_by_instrument
get_order_margin_by_ids get_order_state get_order_state_by_label get_pending_block_trades get_position get_positions
get_reward_eligibility get_settlement_history_by_currency get_settlement_history_by_instrument get_subaccounts
get_subaccounts_details get_transaction_log get_transfers get_trigger_order_history get_user_locks get_user_trades_by_currency
get_user_trades_by_currency_and_time get_user_trades_by_instrument get_user_trades_by_instrument_and_time
get_user_trades_by_order get_withdrawals list_address_beneficiaries list_api_keys list_custody_accounts pme/simulate
simulate_block_trade simulate_portfolio verify_block_trade`
)

// TestGroupRoutesEachMethod of the exchange: what changes nothing goes over any session, and all else over the first.
func TestGroupRoutesEachMethod(t *testing.T) {
	t.Parallel()
	published, err := os.ReadFile("../internal/schematest/schema/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var exchange struct {
		Methods map[string]json.RawMessage `json:"methods"`
	}
	if err := json.Unmarshal(published, &exchange); err != nil || len(exchange.Methods) < 170 {
		t.Fatalf("%d methods, %v", len(exchange.Methods), err)
	}
	var reads []string
	for name := range strings.FieldsSeq(publicReads) {
		reads = append(reads, "public/"+name)
	}
	for name := range strings.FieldsSeq(privateReads) {
		reads = append(reads, "private/"+name)
	}
	f := newFar(t, nil)
	g := dialGroup(t, grouped(f, 3, 1))
	first := f.connectionOf(t, g.Sessions()[0])
	before := f.carriedAll() // by the sessions themselves
	const times = 24         // that all go over one of three by chance does not happen
	for method := range exchange.Methods {
		for range times {
			if err := g.Call(t.Context(), method, nil, nil); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
	}
	spread := 0
	after := f.carriedAll()
	for method := range exchange.Methods {
		isRead, own := slices.Contains(reads, method), after[first][method]-before[first][method]
		if isRead && own < times {
			spread++
		} else if isRead || own != times {
			t.Errorf("%s: %d of %d went over the first, and that it changes nothing is %t", method, own, times, isRead)
		}
	}
	if spread != len(reads) {
		t.Errorf("%d methods are spread, want %d", spread, len(reads))
	}
}

// TestGroupWithoutItsFirstChangesNothing: what is no read waits for nobody, and goes over no other session.
func TestGroupWithoutItsFirstChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		g := dialGroup(t, grouped(f, 2, 1))
		first := f.connectionOf(t, g.Sessions()[0])
		f.hang.Store(true)
		f.all()[first-1].close()
		synctest.Wait()
		for _, method := range []string{"private/withdraw", "private/reset_mmp", "public/unsubscribe_all", "private/tomorrows"} {
			if err := g.Call(t.Context(), method, nil, nil); !errors.Is(err, session.ErrNotReady) {
				t.Errorf("%s: %v", method, err)
			}
			if got := f.carried(method); len(got) != 0 {
				t.Errorf("%s went over %v", method, got)
			}
		}
	})
}

// carriedAll is how many requests of each method went over each connection.
func (f *far) carriedAll() map[int]map[string]int {
	got := map[int]map[string]int{}
	for _, p := range f.all() {
		got[p.number] = map[string]int{}
		for _, method := range f.requests(p.number) {
			got[p.number][method]++
		}
	}
	return got
}
