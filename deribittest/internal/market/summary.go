package market

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// portfolio is an account's figures in one currency, as the channel user.portfolio sends them.
type portfolio struct {
	Currency               string             `json:"currency"`
	Balance                float64            `json:"balance"`
	Equity                 float64            `json:"equity"`
	MarginBalance          float64            `json:"margin_balance"`
	AvailableFunds         float64            `json:"available_funds"`
	AvailableWithdrawal    float64            `json:"available_withdrawal_funds"`
	InitialMargin          float64            `json:"initial_margin"`
	MaintenanceMargin      float64            `json:"maintenance_margin"`
	ProjectedInitial       float64            `json:"projected_initial_margin"`
	ProjectedMaintenance   float64            `json:"projected_maintenance_margin"`
	AdditionalReserve      float64            `json:"additional_reserve"`
	SpotReserve            float64            `json:"spot_reserve"`
	FeeBalance             float64            `json:"fee_balance"`
	DeltaTotal             float64            `json:"delta_total"`
	DeltaTotalMap          map[string]float64 `json:"delta_total_map"`
	ProjectedDelta         float64            `json:"projected_delta_total"`
	LiquidationRatio       float64            `json:"estimated_liquidation_ratio"`
	LiquidationRatioMap    map[string]float64 `json:"estimated_liquidation_ratio_map"`
	FuturesPL              float64            `json:"futures_pl"`
	FuturesSessionRealized float64            `json:"futures_session_rpl"`
	FuturesSessionFloating float64            `json:"futures_session_upl"`
	OptionsDelta           float64            `json:"options_delta"`
	OptionsGamma           float64            `json:"options_gamma"`
	OptionsGammaMap        map[string]float64 `json:"options_gamma_map"`
	OptionsPL              float64            `json:"options_pl"`
	OptionsSessionRealized float64            `json:"options_session_rpl"`
	OptionsSessionFloating float64            `json:"options_session_upl"`
	OptionsTheta           float64            `json:"options_theta"`
	OptionsThetaMap        map[string]float64 `json:"options_theta_map"`
	OptionsValue           float64            `json:"options_value"`
	OptionsVega            float64            `json:"options_vega"`
	OptionsVegaMap         map[string]float64 `json:"options_vega_map"`
	SessionRealized        float64            `json:"session_rpl"`
	SessionFloating        float64            `json:"session_upl"`
	TotalPL                float64            `json:"total_pl"`
	MarginModel            string             `json:"margin_model"`
	PortfolioMargining     bool               `json:"portfolio_margining_enabled"`
	CrossCollateral        bool               `json:"cross_collateral_enabled"`
}

// perIndex names a figure by the currency's index. The exchange's schema of user.portfolio wants btc_usd everywhere.
func perIndex(currency string, v float64) map[string]float64 {
	return map[string]float64{"btc_usd": 0, strings.ToLower(currency) + "_usd": v}
}

// portfolio adds up an account in one currency.
func (m *Market) portfolio(id int64, currency string) portfolio {
	a := m.account(id)
	f := a.funds(currency)
	g := a.gains(currency)
	v := portfolio{
		Currency: currency, Balance: round(f.balance, 8), Equity: round(f.equity(), 8), MarginBalance: round(f.equity(), 8),
		AvailableFunds: round(f.available(), 8), AvailableWithdrawal: round(max(0, min(f.available(), f.balance)), 8),
		InitialMargin: round(f.bound+f.ordered, 8), MaintenanceMargin: round(maintenance*f.bound, 8),
		ProjectedInitial: round(f.bound, 8), ProjectedMaintenance: round(maintenance*f.bound, 8),
		DeltaTotal: round(f.delta, 8), ProjectedDelta: round(f.delta, 8), OptionsValue: round(f.options, 8),
		FuturesPL: round(g.futures(), 8), FuturesSessionRealized: round(g.futuresRealized, 8),
		FuturesSessionFloating: round(g.futuresFloating, 8), OptionsPL: round(g.options(), 8),
		OptionsSessionRealized: round(g.optionsRealized, 8), OptionsSessionFloating: round(g.optionsFloating, 8),
		OptionsDelta: round(g.delta, 8), OptionsGamma: round(g.gamma, 8), OptionsTheta: round(g.theta, 8),
		OptionsVega: round(g.vega, 8), SessionRealized: round(g.futuresRealized+g.optionsRealized, 8),
		SessionFloating: round(g.futuresFloating+g.optionsFloating, 8), TotalPL: round(g.futures()+g.options(), 8),
		MarginModel: "segregated_sm",
	}
	v.DeltaTotalMap = perIndex(currency, v.DeltaTotal)
	v.LiquidationRatioMap = perIndex(currency, 0)
	v.OptionsGammaMap, v.OptionsThetaMap = perIndex(currency, v.OptionsGamma), perIndex(currency, v.OptionsTheta)
	v.OptionsVegaMap = perIndex(currency, v.OptionsVega)
	return v
}

// gains are the profits and sensitivities of an account's positions in one currency.
type gains struct {
	futuresRealized, futuresFloating float64
	optionsRealized, optionsFloating float64
	delta, gamma, theta, vega        float64
}

func (g gains) futures() float64 { return g.futuresRealized + g.futuresFloating }
func (g gains) options() float64 { return g.optionsRealized + g.optionsFloating }

func (a *account) gains(currency string) gains {
	var g gains
	for _, p := range a.positions {
		switch {
		case p.in.payer() != currency:
		case p.in.Kind == kindOption:
			size := p.in.lot.value(p.lots)
			g.optionsRealized += p.realized
			g.optionsFloating += p.floating()
			g.delta += size * p.in.value.delta
			g.gamma += size * p.in.value.gamma
			g.theta += size * p.in.value.theta
			g.vega += size * p.in.value.vega
		default:
			g.futuresRealized += p.realized
			g.futuresFloating += p.floating()
		}
	}
	return g
}

// fee is what an account pays on one kind of instrument.
type fee struct {
	Index string `json:"index_name"`
	Kind  string `json:"kind"`
	Value struct {
		BlockTrade float64 `json:"block_trade"`
		Default    struct {
			Type  string  `json:"type"`
			Maker float64 `json:"maker"`
			Taker float64 `json:"taker"`
		} `json:"default"`
	} `json:"value"`
}

// Rate is how many calls a second, and how many at once.
type Rate struct {
	PerSecond int `json:"rate"`
	Burst     int `json:"burst"`
}

// Limits are the limits of an account that are told.
type Limits struct{ Requests, Matching, CancelAll Rate }

// limits are an account's limits, as methods show them.
type limits struct {
	PerCurrency       bool           `json:"limits_per_currency"`
	NonMatchingEngine Rate           `json:"non_matching_engine"`
	MatchingEngine    matchingLimits `json:"matching_engine"`
}

type matchingLimits struct {
	Trading struct {
		Total Rate `json:"total"`
	} `json:"trading"`
	Spot                 Rate `json:"spot"`
	MaximumQuotes        Rate `json:"maximum_quotes"`
	MaximumMassQuotes    Rate `json:"maximum_mass_quotes"`
	GuaranteedMassQuotes Rate `json:"guaranteed_mass_quotes"`
	CancelAll            Rate `json:"cancel_all"`
}

// limits returns the limits of each account.
func (m *Market) limits() limits {
	told := m.Limits
	if told == nil {
		told = &Limits{Requests: Rate{1000, 1500}, Matching: Rate{5, 20}, CancelAll: Rate{200, 250}}
	}
	l := limits{NonMatchingEngine: told.Requests, MatchingEngine: matchingLimits{
		Spot: Rate{200, 250}, MaximumQuotes: Rate{500, 500}, MaximumMassQuotes: Rate{10, 10},
		GuaranteedMassQuotes: Rate{2, 2}, CancelAll: told.CancelAll,
	}}
	l.MatchingEngine.Trading.Total = told.Matching
	return l
}

// currencySummary is an account's figures in one currency, as methods show them.
type currencySummary struct {
	portfolio

	Limits limits `json:"limits"`
	Fees   []fee  `json:"fees"`
}

func (m *Market) currencySummary(id int64, currency string) currencySummary {
	out := currencySummary{portfolio: m.portfolio(id, currency), Limits: m.limits(), Fees: []fee{}}
	for _, kind := range []string{perpetual, kindFuture, kindOption} {
		f := fee{Index: strings.ToLower(currency) + "_usd", Kind: kind}
		f.Value.BlockTrade, f.Value.Default.Type, f.Value.Default.Taker = 0.3, "fixed", 0.0005
		out.Fees = append(out.Fees, f)
	}
	return out
}

// identity is who an account is.
type identity struct {
	ID                int64   `json:"id"`
	Type              string  `json:"type"`
	Username          string  `json:"username"`
	SystemName        string  `json:"system_name"`
	Email             string  `json:"email"`
	Created           int64   `json:"creation_timestamp"`
	ReferrerID        *string `json:"referrer_id"` // null
	SelfTradingReject string  `json:"self_trading_reject_mode"`
	SelfTradingSubs   bool    `json:"self_trading_extended_to_subaccounts"`
	SecurityKeys      bool    `json:"security_keys_enabled"`
	LoginEnabled      bool    `json:"login_enabled"`
	InteruserTransfer bool    `json:"interuser_transfers_enabled"`
	MMPEnabled        bool    `json:"mmp_enabled"`
}

func whois(id int64) identity {
	name := fmt.Sprintf("user_%d", id)
	return identity{
		ID: id, Type: "main", Username: name, SystemName: name, Email: name + "@example.com",
		Created: 1687352432143, SelfTradingReject: "reject_taker", LoginEnabled: true,
	}
}

type accountSummary struct {
	currencySummary
	identity
}

type accountSummaries struct {
	identity

	Summaries []currencySummary `json:"summaries"`
}

// getAccountSummary shows one currency. Who the account is, it shows always: the schema requires what the documents call
// extended.
func (m *Market) getAccountSummary(c Caller, raw json.RawMessage, _ time.Time) (any, *Error) {
	p := read(raw)
	currency := p.need("currency").choice("currency", currencies...)
	if p.fault != nil {
		return nil, p.fault
	}
	return accountSummary{m.currencySummary(c.Account, currency), whois(c.Account)}, nil
}

func (m *Market) getAccountSummaries(c Caller, _ json.RawMessage, _ time.Time) (any, *Error) {
	out := accountSummaries{identity: whois(c.Account)}
	for _, currency := range currencies {
		out.Summaries = append(out.Summaries, m.currencySummary(c.Account, currency))
	}
	return out, nil
}
