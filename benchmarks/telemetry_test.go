package benchmarks

import (
	"context"
	"fmt"
	"testing"

	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
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
		name    string
		options func(b *testing.B) []telemetry.Option
	}{{"off", off}, {"metrics", metrics}, {"traced1pct", traced}, {"sampler1pct", sampled}} {
		for _, load := range loads {
			b.Run(fmt.Sprintf("mode=%s/callers=%d", mode.name, load.callers), func(b *testing.B) {
				tel, err := telemetry.New(mode.options(b)...)
				if err != nil {
					b.Fatal(err)
				}
				cfg := session.Config{URL: peer.URL(), Credentials: credentials, Dialer: fastest}
				observed := cfg
				observed.Observer = tel
				bare, with := orders(b, dial(b, cfg), load), orders(b, dial(b, observed), load)
				alternate(b, "x-bare", bare.chunk, with.chunk)
			})
		}
	}
}

// off is telemetry that was set up, and has nowhere to go.
func off(*testing.B) []telemetry.Option {
	return []telemetry.Option{
		telemetry.WithMeterProvider(noopmetric.NewMeterProvider()),
		telemetry.WithTracerProvider(nooptrace.NewTracerProvider()),
	}
}

func metrics(b *testing.B) []telemetry.Option {
	b.Helper()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	b.Cleanup(func() { shutdown(b, provider.Shutdown) })
	return []telemetry.Option{
		telemetry.WithMeterProvider(provider), telemetry.WithTracerProvider(nooptrace.NewTracerProvider()),
	}
}

// traced is metrics, and a span for one call of a hundred.
func traced(b *testing.B) []telemetry.Option {
	b.Helper()
	return append(spans(b, sdktrace.AlwaysSample()), telemetry.WithCallSampling(0.01))
}

// sampled is the same, where the provider's sampler is asked about each call.
func sampled(b *testing.B) []telemetry.Option {
	b.Helper()
	return spans(b, sdktrace.TraceIDRatioBased(0.01))
}

func spans(b *testing.B, sampler sdktrace.Sampler) []telemetry.Option {
	b.Helper()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithBatcher(discard{}))
	b.Cleanup(func() { shutdown(b, provider.Shutdown) })
	return append(metrics(b), telemetry.WithTracerProvider(provider))
}

func shutdown(b *testing.B, provider func(context.Context) error) {
	b.Helper()
	if err := provider(context.WithoutCancel(b.Context())); err != nil {
		b.Error(err)
	}
}

// discard exports spans to nowhere.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }

func (discard) Shutdown(context.Context) error { return nil }
