package benchmarks

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// footprint is what a process holds.
type footprint struct {
	goroutines int
	inUse      int64 // heap and stacks in use, in bytes
	resident   int64 // bytes
}

func footprintNow(b *testing.B) footprint {
	b.Helper()
	runtime.GC() // pools give back what they hold at the second collection
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, resident int64 // in pages
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return footprint{
		goroutines: runtime.NumGoroutine(),
		inUse:      int64(m.HeapInuse + m.StackInuse),
		resident:   resident * int64(os.Getpagesize()),
	}
}

// BenchmarkIdle asks what a session holds that has nothing to do: a thousand of them, authenticated. KiB/session is heap
// and stacks, MiB-1000 what all of them add to the process's resident memory.
func BenchmarkIdle(b *testing.B) {
	const sessions = 1000
	peer := wirepeer.Start(b)
	for _, transport := range transports {
		b.Run("transport="+transport.name, func(b *testing.B) {
			var goroutines, inUse, resident []float64
			for b.Loop() {
				grown := open(b, peer, transport.dialer, sessions)
				if grown.goroutines < 2*sessions || grown.inUse <= 0 || grown.resident <= 0 {
					b.Fatalf("%v: %d sessions hold %+v", errNothing, sessions, grown)
				}
				goroutines = append(goroutines, float64(grown.goroutines)/sessions)
				inUse = append(inUse, float64(grown.inUse)/sessions/(1<<10))
				resident = append(resident, float64(grown.resident)/(1<<20))
			}
			for unit, values := range map[string][]float64{
				"goroutines/session": goroutines, "KiB/session": inUse, "MiB-1000": resident,
			} {
				slices.Sort(values)
				b.ReportMetric(values[len(values)/2], unit)
			}
		})
	}
}

// open opens sessions, looks at what they hold, and closes them.
func open(b *testing.B, peer *wirepeer.Peer, dialer rpc.Dialer, n int) footprint {
	b.Helper()
	sessions := make([]*session.Session, n)
	before := footprintNow(b)
	for i := range sessions {
		s, err := session.Dial(b.Context(), session.Config{URL: peer.URL(), Credentials: credentials, Dialer: dialer})
		if err != nil {
			b.Fatal(err)
		}
		sessions[i] = s
	}
	after := footprintNow(b)
	for _, s := range sessions {
		if err := s.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	}
	return footprint{after.goroutines - before.goroutines, after.inUse - before.inUse, after.resident - before.resident}
}
