package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// modes are the ways to have calls reported: with an SDK that measures and samples, but no exporter.
var modes = []struct {
	name string
	opts func() []telemetry.Option
}{
	{"off", func() []telemetry.Option { return nil }},
	{"metrics", func() []telemetry.Option { return []telemetry.Option{measuring()} }},
	{"sampler-1pct", func() []telemetry.Option { return []telemetry.Option{measuring(), tracing(0.01)} }},
	{"traced-1pct", func() []telemetry.Option {
		return []telemetry.Option{measuring(), tracing(1), telemetry.WithCallSampling(0.01)}
	}},
	{"traced-all", func() []telemetry.Option { return []telemetry.Option{measuring(), tracing(1)} }},
}

func measuring() telemetry.Option {
	return telemetry.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
}

func tracing(ratio float64) telemetry.Option {
	return telemetry.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(ratio))))
}

func observer(b *testing.B, opts []telemetry.Option) rpc.Observer {
	b.Helper()
	tel, err := telemetry.New(opts...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := tel.Close(); err != nil {
			b.Error(err)
		}
	})
	return tel.Calls(b.Context(), connectStep(1))
}

// BenchmarkObserver is what one call's reports cost by themselves.
func BenchmarkObserver(b *testing.B) {
	for _, mode := range modes {
		b.Run("mode="+mode.name, func(b *testing.B) {
			calls := observer(b, mode.opts())
			if calls == nil {
				if mode.name != "off" {
					b.Fatal("nothing is reported")
				}
				b.Skip("there is no observer to call")
			}
			end := rpc.CallEnd{Total: 300 * time.Microsecond, Queued: time.Microsecond}
			b.ReportAllocs()
			for b.Loop() {
				call(b.Context(), calls, "private/buy", end)
			}
		})
	}
}

// BenchmarkCall is what reports add to a call over a connection in memory: beside one without an observer, in turns.
func BenchmarkCall(b *testing.B) {
	for _, mode := range modes {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("mode=%s/callers=%d", mode.name, callers), func(b *testing.B) {
				bare, observed := connect(b, nil), connect(b, observer(b, mode.opts()))
				const chunk = 2048 // calls
				var ratios, added []float64
				b.ReportAllocs()
				for b.Loop() {
					without, with := chunkTime(b, bare, callers, chunk), chunkTime(b, observed, callers, chunk)
					ratios = append(ratios, with/without)
					added = append(added, (with-without)/chunk)
				}
				b.ReportMetric(median(ratios), "x-bare")
				b.ReportMetric(median(added), "added-ns/call")
			})
		}
	}
}

// chunkTime is the time that n calls by so many callers take, in nanoseconds.
func chunkTime(b *testing.B, conn *rpc.Conn, callers, n int) float64 {
	b.Helper()
	begun := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			var dst []byte
			var err error
			for range n / callers {
				if dst, err = conn.CallRaw(b.Context(), "private/buy", nil, dst[:0]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(time.Since(begun))
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func connect(b *testing.B, o rpc.Observer) *rpc.Conn {
	b.Helper()
	m := &mirror{replies: make(chan []byte, 1024), closed: make(chan struct{})}
	conn := rpc.NewConn(m, rpc.Config{Observer: o})
	b.Cleanup(func() {
		if err := conn.Close(); err != nil {
			b.Error(err)
		}
	})
	return conn
}

// mirror is a Transport that answers every request.
type mirror struct {
	replies chan []byte
	closed  chan struct{}
	once    sync.Once
}

// ReadMessage implements rpc.Transport.
func (m *mirror) ReadMessage() ([]byte, error) {
	select {
	case reply := <-m.replies:
		return reply, nil
	case <-m.closed:
		return nil, io.EOF
	}
}

// WriteMessages implements rpc.Transport.
func (m *mirror) WriteMessages(msgs ...[]byte) error {
	for _, msg := range msgs {
		head, _, _ := bytes.Cut(msg, []byte(`,"method"`))
		select {
		case m.replies <- append(slices.Clone(head), `,"result":{"order_id":"ETH-349249"},"usDiff":42}`...):
		case <-m.closed:
			return context.Canceled
		}
	}
	return nil
}

// Close implements rpc.Transport.
func (m *mirror) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}
