package deribittest

import (
	"cmp"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-ws/holdfast/deribittest/internal/market"
)

// Limits are the rate limits of the exchange, for Config.Limits. An account pays for every request that one of its tokens
// accompanies, over whatever connection and with whatever key; for all others pays the address that they come from. A request
// that is not served for lack of credits gets 10028 (too_many_requests), and its connection is closed. Refused requests of
// every other kind, and the answers to test_request, cost as those that succeed.
//
// The zero value is what is documented for a small account. What an account has is told by private/get_account_summary.
type Limits struct {
	// Requests limits what is not for the matching engine. The zero value is 20 a second, and 100 at once: each costs 500
	// credits of 50,000, of which 10,000 come back each second.
	Requests Rate
	// Matching limits orders, edits and cancels. The zero value is 5 a second, and 20 at once.
	Matching Rate
	// CancelAll limits private/cancel_all and its like, which are told as a limit of their own. The zero value is Matching: what a
	// small account has is not documented.
	CancelAll Rate
	// KeepConnections leaves a connection open after 10028. The documents state both.
	KeepConnections bool
}

// Rate is how many requests a second, and how many at once after a while without any. What is not positive is not set.
type Rate struct{ PerSecond, Burst int }

// Names of the pools, in Stats.Charged. The methods that are documented to have a pool of their own give it their name.
const (
	poolRequests  = "non_matching_engine"
	poolMatching  = "matching_engine"
	poolCancelAll = "cancel_all"
	poolSubscribe = "subscribe"
)

// documentedPools are those that no account has larger. The costs are 3,000 of 30,000 credits for a subscribe, public and
// private together, and 10,000 of 500,000 and of 80,000; 10,000 come back each second.
var documentedPools = map[string]pool{
	poolSubscribe:                 {interval: 300 * time.Millisecond, burst: 10},
	"public/get_instruments":      {interval: time.Second, burst: 50},
	"private/get_transaction_log": {interval: time.Second, burst: 8},
}

func (l Limits) withDefaults() Limits {
	l.Requests = l.Requests.or(Rate{20, 100})
	l.Matching = l.Matching.or(Rate{5, 20})
	l.CancelAll = l.CancelAll.or(l.Matching)
	return l
}

func (r Rate) or(unset Rate) Rate {
	return Rate{cmp.Or(max(0, r.PerSecond), unset.PerSecond), cmp.Or(max(0, r.Burst), unset.Burst)}
}

// told are the limits as an account is told them.
func (l Limits) told() *market.Limits {
	return &market.Limits{
		Requests: market.Rate(l.Requests), Matching: market.Rate(l.Matching), CancelAll: market.Rate(l.CancelAll),
	}
}

// pool is an allowance that fills up again by one request each interval.
type pool struct {
	interval time.Duration
	burst    int
	full     time.Time // when it will be full
}

func (r Rate) pool() pool {
	return pool{interval: time.Second / time.Duration(r.PerSecond), burst: r.Burst}
}

// take pays for a request, and reports false when there is not enough left.
func (p *pool) take(now time.Time) bool {
	full := p.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(p.interval)
	if full.Sub(now) > time.Duration(p.burst)*p.interval {
		return false
	}
	p.full = full
	return true
}

// pools are what one account, or one address, pays from.
type pools map[string]*pool

// of returns the pool of a name, which is full when it was not used before.
func (p pools) of(name string, l Limits) *pool {
	if p[name] == nil {
		made, ok := documentedPools[name]
		switch {
		case ok:
		case name == poolMatching:
			made = l.Matching.pool()
		case name == poolCancelAll:
			made = l.CancelAll.pool()
		default:
			made = l.Requests.pool()
		}
		p[name] = &made
	}
	return p[name]
}

// poolOf names the pool that pays for a method.
func poolOf(method string) string {
	switch method {
	case "public/subscribe", "private/subscribe":
		return poolSubscribe
	case "private/cancel_all", "private/cancel_all_by_currency", "private/cancel_all_by_instrument",
		"private/cancel_all_by_currency_pair", "private/cancel_all_by_kind_or_type":
		return poolCancelAll
	}
	if _, own := documentedPools[method]; own {
		return method
	}
	if categoryOf(method) == matching {
		return poolMatching
	}
	return poolRequests
}

// charge has a request paid, unless there are no limits. The error is 10028, after which the connection ends.
func (ex *exchange) charge(r *request) *rpcError {
	limits := ex.cfg.Limits
	if limits == nil {
		return nil
	}
	name := poolOf(r.method)
	if !ex.payer(r).of(name, *limits).take(time.Now()) {
		ex.stats.RateLimited++
		r.ends = !limits.KeepConnections
		return newError(codeTooManyRequests, "too_many_requests")
	}
	ex.stats.Charged[name]++
	return nil
}

// payer returns the pools of whoever makes a request: the account under whose authority it is, else its address.
func (ex *exchange) payer(r *request) pools {
	if g, fault := ex.authority(r); fault == nil {
		return ex.account(g.key.account).pools
	}
	p := ex.addresses[r.ip]
	if p == nil {
		p = make(pools)
		ex.addresses[r.ip] = p
	}
	return p
}

// end closes the connection of a request that was one too many.
func (r *request) end() {
	if r.ends && r.conn != nil {
		r.conn.closeLater(websocket.StatusPolicyViolation, "too_many_requests")
	}
}
