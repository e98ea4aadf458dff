package benchmarks

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkCall asks what a call costs over a live session, for one caller and for many on the same connection. x-floor
// is the ratio to a raw TCP round trip of as many bytes; the simulated exchange's own work is in it.
func BenchmarkCall(b *testing.B) {
	for _, transport := range transports {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("transport=%s/callers=%d", transport.name, callers), func(b *testing.B) {
				exchange, key := newExchange(b)
				s := dial(b, session.Config{URL: exchange.URL(), Credentials: key, Dialer: transport.dialer})
				floor := pingPong(b, 200)
				b.ReportAllocs()
				b.ResetTimer()
				took := call(b, s, callers)
				b.StopTimer()
				perCall := took / time.Duration(b.N)
				b.ReportMetric(float64(perCall)/float64(floor), "x-floor")
			})
		}
	}
}

// call makes b.N calls from as many goroutines as there are callers.
func call(b *testing.B, s *session.Session, callers int) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	start := time.Now()
	for range callers {
		all.Go(func() {
			var reply []byte
			for left.Add(-1) >= 0 {
				var err error
				if reply, err = s.CallRaw(b.Context(), "public/test", nil, reply[:0]); err != nil || len(reply) == 0 {
					b.Errorf("reply %q, error %v", reply, err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}
