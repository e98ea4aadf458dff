package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/holdfast-ws/holdfast/telemetry"
)

// evidence keeps every byte that a run logs, traces and measures, to be searched for secrets.
type evidence struct {
	log      lockedBuffer
	logger   *slog.Logger
	spans    *tracetest.InMemoryExporter
	reader   *sdkmetric.ManualReader
	observer *telemetry.Telemetry
}

func newEvidence(also io.Writer) (e *evidence, err error) {
	e = &evidence{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	e.logger = slog.New(slog.NewTextHandler(io.MultiWriter(&e.log, also), &slog.HandlerOptions{Level: slog.LevelDebug}))
	e.observer, err = telemetry.New(
		telemetry.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(e.spans), sdktrace.WithSampler(stepsAndSomeCalls{}))),
		telemetry.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(e.reader))),
	)
	return e, err
}

// spanCounts counts the spans by name.
func (e *evidence) spanCounts() map[string]int {
	counts := map[string]int{}
	for _, span := range e.spans.GetSpans() {
		counts[span.Name]++
	}
	return counts
}

// text is all that was logged, traced and measured, and what else is given, as text.
func (e *evidence) text(ctx context.Context, also ...any) (string, error) {
	var all bytes.Buffer
	all.WriteString(e.log.String())
	for _, span := range e.spans.GetSpans() {
		fmt.Fprintf(&all, "%s %+v %+v %+v %+v\n", span.Name, span.Attributes, span.Events, span.Status, span.Links)
	}
	var metrics metricdata.ResourceMetrics
	if err := e.reader.Collect(ctx, &metrics); err != nil {
		return "", err
	}
	for _, item := range append(also, metrics) {
		text, err := json.Marshal(item)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "%s\n%+v\n", text, item)
	}
	return all.String(), nil
}

// sightings counts the secrets that a text shows.
func sightings(text string, secrets []string) int {
	seen := 0
	for _, secret := range secrets {
		if shows(text, secret) {
			seen++
		}
	}
	return seen
}

// shows reports whether a text shows a secret. The six digits of a second factor occur in numbers by chance: they count where
// they stand alone as a word or in quotes, not as the value of a field or as a part of a number.
func shows(text, secret string) bool {
	if len(secret) > 6 {
		return strings.Contains(text, secret)
	}
	return regexp.MustCompile(`(^|[\s="'(])` + regexp.QuoteMeta(secret) + `($|[^0-9.])`).MatchString(text)
}

// stepsAndSomeCalls samples every step of a session or a rotation, and every hundredth call.
type stepsAndSomeCalls struct{}

func (stepsAndSomeCalls) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	isStep := strings.HasPrefix(p.Name, "session.") || strings.HasPrefix(p.Name, "credentials.")
	if isStep {
		return sdktrace.AlwaysSample().ShouldSample(p)
	}
	return sdktrace.TraceIDRatioBased(0.01).ShouldSample(p)
}

func (stepsAndSomeCalls) Description() string { return "steps, and one call in a hundred" }

// lockedBuffer is a buffer that many goroutines write to.
type lockedBuffer struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
