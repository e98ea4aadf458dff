package session

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Limits keep what sessions send within the rate limits of an account, beyond which the exchange ends a session. A call waits
// for its credits before it is written; cancels have some of their own, and what the session sends to stay alive waits for
// nothing. The limits are those that the exchange publishes for a small account until it has told the account's own
// (private/get_account_summary, asked once over each connection; it needs account:read).
//
// The exchange counts by account: sessions of one account share one Limits, by its address. A quarter is left to what else
// uses the account. Where the exchange refuses a call all the same (10028) and keeps the connection, nothing but cancels is sent for
// 5 s, and those as their credits come back. The zero value is ready for use, which is safe for concurrent use; its fields are set
// before.
type Limits struct {
	// MaxWait is the longest that a call may wait for its credits. One that would wait longer, or beyond the end of its
	// ctx, fails at once with [ErrRateLimited], and nothing of it is sent. 0 means 1 s.
	MaxWait time.Duration
	// Exclusive says that nothing else uses the account: what the sessions subscribe then takes all the credits that the exchange has
	// for that, 10 requests at once and one each 300 ms, where 2 are left to others otherwise. Calls keep to their part: on their way
	// they may bunch.
	Exclusive bool

	once  sync.Once // makes pools
	pools *pools
}

// pools are the buckets of an account. Rates are per second.
type pools struct {
	subscribes, reads, orders, cancels, cancelAll *bucket
	instruments, log                              *bucket
}

// rate is a limit as the exchange tells it.
type rate struct {
	PerSecond float64 `json:"rate"`
	Burst     float64 `json:"burst"`
}

// The published limits. A subscribe costs 3,000 of 30,000 credits, of which 10,000 come back each second; another call that
// is no order costs 500 of 50,000.
var (
	readRate        = rate{20, 100}
	orderRate       = rate{5, 20}
	instrumentsRate = rate{1, 50}
	logRate         = rate{1, 8}
)

const (
	ownShare        = 0.75 // of a limit that is used
	cancelShare     = 0.25 // of the limit of orders that cancels have for themselves
	defaultMaxWait  = time.Second
	maxLearntRate   = 1e6
	summaryCurrency = "BTC"
)

func newPools() *pools {
	p := &pools{
		subscribes: newBucket(subscribeBurst, subscribeInterval),
		reads:      readRate.bucket(ownShare), instruments: instrumentsRate.bucket(ownShare), log: logRate.bucket(ownShare),
		orders: orderRate.bucket(ownShare), cancels: orderRate.bucket(cancelShare), cancelAll: orderRate.bucket(cancelShare),
	}
	return p
}

// get returns the pools, which are made for the first session.
func (l *Limits) get() *pools {
	l.once.Do(func() {
		l.pools = newPools()
		if l.Exclusive {
			l.pools.subscribes = newBucket(documentedBurst, documentedInterval)
		}
	})
	return l.pools
}

// bucket is a bucket of a share of r.
func (r rate) bucket(share float64) *bucket {
	burst, interval := r.part(share)
	return newBucket(burst, interval)
}

func (r rate) part(share float64) (burst int, interval time.Duration) {
	return max(1, int(share*r.Burst)), time.Duration(float64(time.Second) / (share * r.PerSecond))
}

// of returns the bucket that a method's calls are paid from, nil for one that waits for nothing. What Config.Lanes says is no
// matter of the exchange's.
func (p *pools) of(method string) *bucket {
	switch method {
	case "public/get_instruments":
		return p.instruments
	case "private/get_transaction_log":
		return p.log
	}
	switch (Config{}).laneOf(method) {
	case rpc.LaneControl:
		return nil
	case rpc.LaneCancel:
		if strings.HasPrefix(method, "private/cancel_all") {
			return p.cancelAll
		}
		return p.cancels
	case rpc.LaneOrder:
		return p.orders
	case rpc.LaneSubscribe:
		return p.subscribes
	case rpc.LaneRead:
	}
	return p.reads
}

// wait waits for a call's credits, and reports whether that took time.
func (l *Limits) wait(ctx context.Context, method string) (waited bool, err error) {
	p := l.get()
	b := p.of(method)
	now := time.Now()
	if b == nil || b == p.cancels && p.orders.take(now) { // a cancel takes what orders leave, too
		return false, nil
	}
	most := l.MaxWait
	if most == 0 {
		most = defaultMaxWait
	}
	if end, ok := ctx.Deadline(); ok {
		most = min(most, end.Sub(now))
	}
	return b.waitWithin(ctx, now, most)
}

// charge takes a call's credits without a wait: later calls wait in its place.
func (l *Limits) charge(method string) {
	if b := l.get().of(method); b != nil {
		b.reserve(time.Now())
	}
}

// exhaust is told that the exchange sees no credits left, and not which: nothing more is sent until its pools are full again. Cancels
// wait for one credit alone. They are what a trader wants most, orders leave them all that comes back, and the exchange's page on
// rate limits has a cancel follow a refusal as soon as one credit is there.
func (p *pools) exhaust(now time.Time) {
	for _, b := range [...]*bucket{p.subscribes, p.reads, p.orders, p.instruments, p.log} {
		b.rest(now, limitedPause)
	}
	p.cancels.drain(now)
	p.cancelAll.drain(now)
}

// accountSummary is what private/get_account_summary tells of limits. Where they are kept per currency some have another
// shape, and stay as published.
type accountSummary struct {
	Limits struct {
		Reads    rate `json:"non_matching_engine"`
		Matching struct {
			Trading struct {
				Total rate `json:"total"`
			} `json:"trading"`
			CancelAll rate `json:"cancel_all"`
		} `json:"matching_engine"`
	} `json:"limits"`
}

// teach replaces the published limits by the account's own.
func (p *pools) teach(summary accountSummary) {
	told := summary.Limits
	p.reads.learn(told.Reads, ownShare)
	p.orders.learn(told.Matching.Trading.Total, ownShare)
	p.cancels.learn(told.Matching.Trading.Total, cancelShare)
	p.cancelAll.learn(told.Matching.CancelAll, ownShare)
}

// learn takes over a share of r, unless the exchange did not tell it.
func (b *bucket) learn(r rate, share float64) {
	if r.PerSecond <= 0 || r.Burst < 1 {
		return
	}
	r.PerSecond, r.Burst = min(r.PerSecond, maxLearntRate), min(r.Burst, math.MaxInt32)
	b.set(r.part(share))
}
