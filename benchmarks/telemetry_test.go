package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// BenchmarkTelemetry asks what telemetry adds to a call. x-bare is the ratio to a session without an observer.
func BenchmarkTelemetry(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, mode := range []struct {
		name string
		new  func(b *testing.B) provided
	}{{"off", off}, {"metrics", metrics}, {"traced1pct", traced}, {"sampler1pct", sampled}} {
		for _, load := range loads {
			b.Run(fmt.Sprintf("mode=%s/callers=%d", mode.name, load.callers), func(b *testing.B) {
				p := mode.new(b)
				tel, err := telemetry.New(p.options...)
				if err != nil {
					b.Fatal(err)
				}
				cfg := session.Config{URL: peer.URL(), Credentials: credentials, Dialer: fastest}
				observed := cfg
				observed.Observer = tel
				bare, with := orders(b, dial(b, cfg), load), orders(b, dial(b, observed), load)
				calls := 0
				alternate(b, "x-bare", bare.chunk, func() (int, error) {
					ops, err := with.chunk()
					calls += ops
					return ops, err
				})
				p.check(b, calls)
			})
		}
	}
}

// provided is what telemetry is given. The check fails the benchmark if of so many calls nothing has come there.
type provided struct {
	options []telemetry.Option
	check   func(b *testing.B, calls int)
}

// off is telemetry that was set up, and has nowhere to go.
func off(*testing.B) provided {
	return provided{[]telemetry.Option{
		telemetry.WithMeterProvider(noopmetric.NewMeterProvider()),
		telemetry.WithTracerProvider(nooptrace.NewTracerProvider()),
	}, func(*testing.B, int) {}}
}

func metrics(b *testing.B) provided {
	b.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	b.Cleanup(func() { shutdown(b, provider.Shutdown) })
	return provided{[]telemetry.Option{
		telemetry.WithMeterProvider(provider), telemetry.WithTracerProvider(nooptrace.NewTracerProvider()),
	}, func(b *testing.B, calls int) {
		b.Helper()
		if n := measuredCalls(b, reader); n < uint64(calls) {
			b.Fatalf("%v: %d of %d calls are in the metrics", errNothing, n, calls)
		}
	}}
}

// measuredCalls is how many calls the metrics tell of.
func measuredCalls(b *testing.B, reader sdkmetric.Reader) (n uint64) {
	b.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(b.Context(), &all); err != nil {
		b.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			durations, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || m.Name != "rpc.client.call.duration" {
				continue
			}
			for _, point := range durations.DataPoints {
				n += point.Count
			}
		}
	}
	return n
}

// traced is metrics, and a span for one call of a hundred.
func traced(b *testing.B) provided {
	b.Helper()
	return spans(b, sdktrace.AlwaysSample(), telemetry.WithCallSampling(0.01))
}

// sampled is the same, where the provider's sampler is asked about each call.
func sampled(b *testing.B) provided {
	b.Helper()
	return spans(b, sdktrace.TraceIDRatioBased(0.01))
}

func spans(b *testing.B, sampler sdktrace.Sampler, options ...telemetry.Option) provided {
	b.Helper()
	exported := &exporter{}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithBatcher(exported))
	b.Cleanup(func() { shutdown(b, provider.Shutdown) })
	p := metrics(b)
	return provided{
		slices.Concat(p.options, options, []telemetry.Option{telemetry.WithTracerProvider(provider)}),
		func(b *testing.B, calls int) {
			b.Helper()
			p.check(b, calls)
			if err := provider.ForceFlush(b.Context()); err != nil || exported.calls.Load() == 0 {
				b.Fatalf("%v: no span of %d calls, %v", errNothing, calls, err)
			}
		},
	}
}

func shutdown(b *testing.B, provider func(context.Context) error) {
	b.Helper()
	if err := provider(context.WithoutCancel(b.Context())); err != nil {
		b.Error(err)
	}
}

// exporter counts the spans of calls, and exports them to nowhere.
type exporter struct{ calls atomic.Int64 }

func (e *exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		if span.Name() == methodOrder {
			e.calls.Add(1)
		}
	}
	return nil
}

func (*exporter) Shutdown(context.Context) error { return nil }
