package rotate_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/session"
)

var orderTurns = flag.Int("rotations", 5, "how often TestR8OrdersTakeARoundTrip turns the key for each profile")

// TestR8OrdersTakeARoundTrip has an order leave each session every millisecond while the key is turned, over a network with an exact
// round trip. Only what an order waits for takes time here: no processor does, and no scheduler. Where the exchange keeps tokens, each
// order takes the round trip, to the nanosecond. Where it revokes them, one in the switch is refused, waits until the new secret is
// stored and promoted, which are two writes, and for its session's authentication, and is sent again: three round trips and two writes.
func TestR8OrdersTakeARoundTrip(t *testing.T) {
	const roundTrip, write = time.Millisecond, 5 * time.Millisecond
	for name, c := range map[string]struct {
		reset   deribittest.ResetProfile
		longest time.Duration
	}{
		"tokens kept":    {deribittest.ResetProfile{}, roundTrip},
		"tokens revoked": {deribittest.ResetProfile{TokensRevoked: true}, 3*roundTrip + 2*write},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Tick: -1, Reset: c.reset}, 4, awayBy(roundTrip))
				r.store.took = write
				f := &orderFlow{rig: r}
				began := time.Now()
				f.during(t, func() {
					for range *orderTurns {
						r.rotate(t)
					}
				})
				lasted := time.Since(began)
				r.settled(t)
				slices.Sort(f.took)
				shortest, p99, longest := f.took[0], f.took[len(f.took)*99/100], f.took[len(f.took)-1]
				t.Logf("%d orders in %d rotations, %v: shortest %v, p99 %v, longest %v", len(f.took), *orderTurns, lasted, shortest, p99, longest)
				if shortest != roundTrip || longest > c.longest {
					t.Errorf("an order may take %v, and up to %v", roundTrip, c.longest)
				}
			})
		})
	}
}

// awayBy has sessions of a rig so far from the exchange.
func awayBy(roundTrip time.Duration) func(int, *session.Config) {
	return func(_ int, cfg *session.Config) {
		near := cfg.NetDial
		cfg.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := near(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return exchangetest.Away(conn, roundTrip), nil
		}
	}
}

// orderFlow is orders that leave all sessions of a rig.
type orderFlow struct {
	rig *rig

	mu   sync.Mutex // protects took
	took []time.Duration
}

// during has an order leave each session every millisecond until do returns, and waits for all of them.
func (f *orderFlow) during(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		every := time.NewTicker(time.Millisecond)
		defer every.Stop()
		for n := 0; ; n++ {
			for _, s := range f.rig.fleet {
				wg.Go(func() { f.order(t, s, fmt.Sprintf("%s-%d", s.Name(), n)) })
			}
			select {
			case <-every.C:
			case <-done:
				return
			}
		}
	})
	do()
	close(done)
	wg.Wait()
}

// order places one, which must be executed once.
func (f *orderFlow) order(t *testing.T, s *session.Session, label string) {
	t.Helper()
	began := time.Now()
	err := s.Call(t.Context(), "private/buy", map[string]any{
		"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 100, "label": label, "time_in_force": "immediate_or_cancel",
	}, nil)
	took := time.Since(began)
	if n := f.rig.server.Executed(label); err != nil || n != 1 {
		t.Errorf("order %s was executed %d times: %v", label, n, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = append(f.took, took)
}
