package telemetry_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// What nobody wants to know costs nothing: a connection without an observer does not even read the clock.
func TestCallsAreObservedOnlyForSomebody(t *testing.T) {
	t.Parallel()
	without := func(names ...string) telemetry.Option {
		views := []sdkmetric.Option{sdkmetric.WithReader(sdkmetric.NewManualReader())}
		for _, name := range names {
			views = append(views, sdkmetric.WithView(sdkmetric.NewView(
				sdkmetric.Instrument{Name: name}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})))
		}
		return telemetry.WithMeterProvider(sdkmetric.NewMeterProvider(views...))
	}
	unmeasured := telemetry.WithMeterProvider(noop.NewMeterProvider())
	for name, tt := range map[string]struct {
		opts []telemetry.Option
		want bool
	}{
		"metrics":                            {[]telemetry.Option{without(), telemetry.WithCallSpans(false)}, true},
		"spans":                              {[]telemetry.Option{unmeasured}, true},
		"neither":                            {[]telemetry.Option{unmeasured, telemetry.WithCallSpans(false)}, false},
		"a meter provider that nobody reads": {[]telemetry.Option{telemetry.WithMeterProvider(sdkmetric.NewMeterProvider()), telemetry.WithCallSpans(false)}, false},
		"a view that drops the durations of calls":  {[]telemetry.Option{without("rpc.client.call.duration"), telemetry.WithCallSpans(false)}, true},
		"a view that drops all that comes of calls": {[]telemetry.Option{without("*"), telemetry.WithCallSpans(false)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if calls := newHarness(t, tt.opts...).Calls(t.Context(), connectStep(1)); (calls != nil) != tt.want {
				t.Errorf("Calls returned %T", calls)
			}
		})
	}
}

// TestCallSampling makes calls in and outside traces: the ratio decides only for the latter.
func TestCallSampling(t *testing.T) {
	t.Parallel()
	traces := sdktrace.NewTracerProvider()
	below := func(ended bool) func(t *testing.T) context.Context {
		return func(t *testing.T) context.Context {
			t.Helper()
			ctx, span := traces.Tracer("test").Start(t.Context(), "trade")
			if ended {
				span.End()
			}
			t.Cleanup(func() { span.End() })
			return ctx
		}
	}
	remote := func(t *testing.T) context.Context {
		t.Helper()
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		}))
	}
	outside := func(t *testing.T) context.Context { t.Helper(); return t.Context() }
	const calls = 10_000
	for name, tt := range map[string]struct {
		ratio    float64
		ctx      func(*testing.T) context.Context
		from, to int
	}{
		"all":                               {1, outside, calls, calls},
		"none":                              {0, outside, 0, 0},
		"half":                              {0.5, outside, calls/2 - 300, calls/2 + 300}, // six standard deviations
		"one in a hundred":                  {0.01, outside, 40, 160},
		"in a trace":                        {0, below(false), calls, calls},
		"in a trace that came from afar":    {0, remote, calls, calls},
		"after the trace that called ended": {0, below(true), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, telemetry.WithCallSampling(tt.ratio))
			ctx, observer := tt.ctx(t), h.Calls(t.Context(), connectStep(1))
			for range calls {
				call(ctx, observer, "private/buy", rpc.CallEnd{})
			}
			if n := len(h.spans.Ended()); n < tt.from || n > tt.to {
				t.Errorf("%d spans of %d calls, want %d to %d", n, calls, tt.from, tt.to)
			}
			if n := histograms(t, h.metrics(t)["rpc.client.call.duration"])["rpc.method=private/buy "+server].Count; n != calls {
				t.Errorf("%d calls measured, want all", n)
			}
		})
	}
}

// A measurement of a traced call leads to its trace.
func TestCallDurationHasExemplars(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	call(t.Context(), h.Calls(t.Context(), connectStep(1)), "private/buy", rpc.CallEnd{Total: time.Millisecond})
	want := h.only(t).SpanContext().TraceID()
	points := histograms(t, h.metrics(t)["rpc.client.call.duration"])
	exemplars := points["rpc.method=private/buy "+server].Exemplars
	if len(exemplars) != 1 || trace.TraceID(exemplars[0].TraceID) != want {
		t.Errorf("exemplars are %v, want one of the trace %v", exemplars, want)
	}
}

// A call that is not sampled by telemetry costs no memory.
func TestUnsampledCallsDoNotAllocate(t *testing.T) {
	h := newHarness(t, telemetry.WithCallSampling(0))
	calls, ctx, info := h.Calls(t.Context(), connectStep(1)), t.Context(), rpc.CallInfo{Method: "private/buy", ID: 42}
	end := rpc.CallEnd{Total: time.Millisecond}
	if allocs := testing.AllocsPerRun(1000, func() { calls.CallEnd(calls.CallStart(ctx, info), info, end) }); allocs != 0 {
		t.Errorf("%v allocations per call, want 0", allocs)
	}
}
