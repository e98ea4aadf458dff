package telemetry_test

import (
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// BenchmarkCall is what telemetry adds to a call: with an SDK that measures and one that samples, but no exporter.
func BenchmarkCall(b *testing.B) {
	for _, bb := range []struct {
		name  string
		ratio float64 // of sampled calls; negative for no spans
	}{
		{"metrics", -1},
		{"metrics and no call sampled", 0},
		{"metrics and 1 % of calls sampled", 0.01},
		{"metrics and all calls sampled", 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			traces := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(bb.ratio)))
			tel, err := telemetry.New(
				telemetry.WithTracerProvider(traces),
				telemetry.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))),
				telemetry.WithCallSpans(bb.ratio >= 0),
			)
			if err != nil {
				b.Fatal(err)
			}
			calls := tel.Calls(b.Context(), connectStep(1))
			end := rpc.CallEnd{Total: 300 * time.Microsecond, Queued: time.Microsecond}
			b.ReportAllocs()
			for b.Loop() {
				call(b.Context(), calls, "private/buy", end)
			}
		})
	}
}
