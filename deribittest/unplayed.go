package deribittest

import "strings"

// unplayed are documented methods that the server knows by name alone: they answer 10033 (not_implemented), so that nobody
// looks for a typing error. An unknown name gets -32601.
var unplayed = wordTable(map[string]string{
	"public": `
		get_announcements get_apr_history get_block_rfq_trades get_combo_details get_combo_ids get_combos
		get_delivery_prices get_expirations get_funding_chart_data get_funding_rate_history get_funding_rate_value
		get_historical_volatility get_last_settlements_by_currency get_last_settlements_by_instrument
		get_mark_price_history get_supported_index_names get_trade_volumes get_volatility_index_data`,
	"private": `
		accept_block_rfq add_block_rfq_quote add_to_address_book approve_block_trade cancel_all_block_rfq_quotes
		cancel_all_by_currency_pair cancel_all_by_kind_or_type cancel_block_rfq cancel_block_rfq_quote
		cancel_block_rfq_trigger cancel_quotes cancel_transfer_by_id cancel_withdrawal change_margin_model
		change_subaccount_name close_position create_block_rfq create_combo create_deposit_address create_subaccount
		delete_address_beneficiary edit_block_rfq_quote enable_affiliate_program execute_block_trade
		get_address_beneficiary get_address_book get_affiliate_program_info get_block_rfq_makers get_block_rfq_quotes
		get_block_rfq_user_info get_block_rfqs get_block_trade get_block_trade_requests get_block_trades
		get_broker_trade_requests get_broker_trades get_current_deposit_address get_deposits get_email_language
		get_jwt get_leg_prices get_mmp_config get_mmp_status get_new_announcements get_order_margin_by_ids
		get_pending_block_trades get_reward_eligibility get_settlement_history_by_currency
		get_settlement_history_by_instrument get_subaccounts get_subaccounts_details get_transaction_log get_transfers
		get_trigger_order_history get_withdrawals invalidate_block_trade_signature list_address_beneficiaries
		list_custody_accounts mass_quote move_positions pme/simulate reject_block_trade remove_from_address_book
		remove_subaccount reset_mmp save_address_beneficiary set_announcement_as_read set_clearance_originator
		set_disabled_trading_products set_email_for_subaccount set_email_language set_mmp_config
		set_self_trading_config simulate_block_trade simulate_portfolio submit_transfer_between_subaccounts
		submit_transfer_to_subaccount submit_transfer_to_user toggle_notifications_from_subaccount
		toggle_subaccount_login update_in_address_book verify_block_trade withdraw`,
})

// unknown is the answer to a method that is not in the table.
func unknown(method string) *rpcError {
	kind, name, _ := strings.Cut(method, "/")
	if kind != "" && unplayed[name] == kind {
		return newError(codeNotImplemented, "not_implemented")
	}
	return newError(codeMethodNotFound, "Method not found")
}
