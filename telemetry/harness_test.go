package telemetry_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/telemetry"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const serverURL = "wss://user:hunter2@www.deribit.com/ws/api/v2?token=hunter2"

// harness is a Telemetry with an SDK of its own, in memory.
type harness struct {
	*telemetry.Telemetry
	traces *sdktrace.TracerProvider
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func newHarness(t *testing.T, opts ...telemetry.Option) *harness {
	t.Helper()
	h := &harness{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	h.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(h.spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader))
	tel, err := telemetry.New(slices.Concat([]telemetry.Option{
		telemetry.WithTracerProvider(h.traces), telemetry.WithMeterProvider(meters),
	}, opts)...)
	if err != nil {
		t.Fatal(err)
	}
	h.Telemetry = tel
	t.Cleanup(func() {
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// only returns the one span that has ended.
func (h *harness) only(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := h.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans have ended, want 1", len(ended))
	}
	return ended[0]
}

// metrics collects once. The keys are the names of the metrics.
func (h *harness) metrics(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := h.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	all := map[string]metricdata.Metrics{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			all[m.Name] = m
		}
	}
	return all
}

// sums are the values of a counter by their attributes, as text.
func sums(t *testing.T, m metricdata.Metrics) map[string]int64 {
	t.Helper()
	sum, ok := m.Data.(metricdata.Sum[int64])
	if !ok {
		t.Fatalf("%s is %T", m.Name, m.Data)
	}
	values := map[string]int64{}
	for _, point := range sum.DataPoints {
		values[text(point.Attributes.ToSlice())] = point.Value
	}
	return values
}

// histograms are the points of a histogram by their attributes, as text.
func histograms(t *testing.T, m metricdata.Metrics) map[string]metricdata.HistogramDataPoint[float64] {
	t.Helper()
	histogram, ok := m.Data.(metricdata.Histogram[float64])
	if !ok {
		t.Fatalf("%s is %T", m.Name, m.Data)
	}
	points := map[string]metricdata.HistogramDataPoint[float64]{}
	for _, point := range histogram.DataPoints {
		points[text(point.Attributes.ToSlice())] = point
	}
	return points
}

// text writes attributes as "key=value key=value", sorted by key; a string has no quotes, other values have their type.
func text(attributes []attribute.KeyValue) string {
	words := make([]string, 0, len(attributes))
	for _, a := range attributes {
		word := fmt.Sprintf("%s=%s", a.Key, a.Value.String())
		if a.Value.Type() != attribute.STRING {
			word += ":" + strings.ToLower(a.Value.Type().String())
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func wantKeys[V any](t *testing.T, what string, got map[string]V, want ...string) {
	t.Helper()
	slices.Sort(want)
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(keys, "\n     "), strings.Join(want, "\n     "))
	}
}

func connectStep(epoch uint64) session.Step {
	return session.Step{Kind: session.StepConnect, Session: "md", URL: serverURL, Epoch: epoch}
}
