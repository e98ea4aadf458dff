package rotate_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// pool is one of the exchange's documented pools of credits, which refill by 10,000 in a second.
type pool struct {
	size, cost float64 // of a call
	level      float64
	last       time.Time
	lowest     float64
}

func newPool(size, cost float64) *pool {
	return &pool{size: size, cost: cost, level: size, lowest: size}
}

func (p *pool) spend(now time.Time) {
	if !p.last.IsZero() {
		p.level = min(p.size, p.level+10_000*now.Sub(p.last).Seconds())
	}
	p.level -= p.cost
	p.last, p.lowest = now, min(p.lowest, p.level)
}

// manyChannels are n channels of which the exchange has to be asked again after a re-authentication: raw and private ones.
func manyChannels(t *testing.T, caller rpc.Caller, n int) []string {
	t.Helper()
	instruments, err := rpc.Call[[]struct {
		Name string `json:"instrument_name"`
	}](t.Context(), caller, "public/get_instruments", map[string]string{"currency": "any"})
	if err != nil {
		t.Fatal(err)
	}
	var channels []string
	for _, form := range []string{
		"book.%s.raw", "ticker.%s.raw", "trades.%s.raw", "user.orders.%s.raw", "user.trades.%s.raw", "user.changes.%s.raw",
		"user.orders.%s.100ms", "user.trades.%s.100ms", "user.changes.%s.100ms", "user.orders.%s.agg2", "user.trades.%s.agg2", "user.changes.%s.agg2",
	} {
		for _, in := range instruments {
			channels = append(channels, fmt.Sprintf(form, in.Name))
		}
	}
	if len(channels) < n {
		t.Fatalf("the double has %d channels only", len(channels))
	}
	return channels[:n]
}

// TestR13HalfOfTheCredits rotates twice in a row under fourteen sessions, the most that a key should have, with 500 channels each. All
// that is sent meanwhile, over all connections, is counted against the exchange's documented pools: more than half of each is left.
func TestR13HalfOfTheCredits(t *testing.T) {
	for _, behaviour := range behaviours[:2] { // closed sockets cost what reconnects cost, which is not the rotation's to spend
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Reset: behaviour, Tick: -1}, 14, nil)
				names := manyChannels(t, r.cfg.Authority, 500)
				for _, s := range r.fleet {
					if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, names...); err != nil {
						t.Fatal(err)
					}
				}
				var mu sync.Mutex
				subscribing, other := newPool(30_000, 3000), newPool(50_000, 500)
				r.onFrame(func(f deribittest.Frame) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case !f.Incoming:
					case strings.HasSuffix(f.Method, "/subscribe"):
						subscribing.spend(time.Now())
					default:
						other.spend(time.Now())
					}
				})
				before := r.server.Stats()
				r.rotate(t)
				r.rotate(t)
				after := r.server.Stats()
				for method, want := range map[string]uint64{
					"public/auth":           2 * (14 + 1), // one for each session, and one to verify the secret
					"private/subscribe":     2 * 14,
					"public/subscribe":      0,
					"private/list_api_keys": 2,
					"private/reset_api_key": 2,
					"public/get_time":       2,
				} {
					if got := after.Calls[method] - before.Calls[method]; got != want {
						t.Errorf("%s was called %d times, want %d", method, got, want)
					}
				}
				if subscribing.lowest < subscribing.size/2 || other.lowest < other.size/2 {
					t.Errorf("left: %v of %v for subscribing, %v of %v for the rest", subscribing.lowest, subscribing.size, other.lowest, other.size)
				}
				r.settled(t)
			})
		})
	}
}
