package telemetry

//go:generate go run ./internal/genmethods -openapi openapi.json -out methods_gen.go

import (
	"fmt"
	"runtime/debug"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Telemetry reports to OpenTelemetry what it observes. It is the Observer of packages session and rotate, and makes that of
// package rpc. It is safe for concurrent use.
type Telemetry struct {
	tracer     trace.Tracer
	callSpans  bool
	sampling   float64 // the share of calls outside traces that get spans, if calls get any
	known      map[string]bool
	attributes []attribute.KeyValue
	// common is the option of measurements without other attributes, and plain the same in the form that a measurement
	// takes without allocating.
	common metric.MeasurementOption
	plain  []metric.RecordOption

	instruments  instruments
	registration metric.Registration
	outcomes     *outcomeCache

	strays map[rpc.StrayKind][]metric.AddOption

	sessions                  fleet
	openings                  openings
	disconnects, gaps, resent tally
	connecting, rotating      failures
}

// New returns a Telemetry. Its errors are those of the meter provider, which refused an instrument.
func New(opts ...Option) (*Telemetry, error) {
	c := newConfig(opts)
	version := moduleVersion()
	t := &Telemetry{
		tracer: c.tracerProvider.Tracer(ScopeName,
			trace.WithInstrumentationVersion(version), trace.WithSchemaURL(schemaURL)),
		callSpans:  *c.callSpans,
		sampling:   c.callSampling,
		known:      make(map[string]bool, len(deribitMethods)+len(c.methods)),
		attributes: c.attributes,
		common:     metric.WithAttributeSet(attribute.NewSet(c.attributes...)),
	}
	t.plain = []metric.RecordOption{t.common}
	for _, method := range slices.Concat(deribitMethods, c.methods) {
		t.known[method] = true
	}
	t.outcomes = newOutcomeCache(t)
	t.strays = make(map[rpc.StrayKind][]metric.AddOption, len(strayKinds))
	for kind, name := range strayKinds {
		t.strays[kind] = t.strayOptions(name)
	}
	meter := c.meterProvider.Meter(ScopeName,
		metric.WithInstrumentationVersion(version), metric.WithSchemaURL(schemaURL))
	if err := t.register(meter); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return t, nil
}

func (t *Telemetry) register(meter metric.Meter) error {
	var err error
	if t.instruments, err = newInstruments(meter); err != nil {
		return err
	}
	t.registration, err = meter.RegisterCallback(t.collect, t.instruments.observables()...)
	return err
}

// Close ends the reports of what is counted: open sessions, their notifications and bytes. Durations are measured, and
// spans made, as before. A program that reports until it ends need not call it.
func (t *Telemetry) Close() error {
	if err := t.registration.Unregister(); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

// with returns attributes and those of [WithAttributes] as the option of a measurement.
func (t *Telemetry) with(attributes ...attribute.KeyValue) metric.MeasurementOption {
	if len(attributes) == 0 {
		return t.common
	}
	return metric.WithAttributeSet(attribute.NewSet(slices.Concat(attributes, t.attributes)...))
}

// method is the name under which a method is reported.
func (t *Telemetry) method(name string) string {
	if t.known[name] {
		return name
	}
	return other
}

// moduleVersion is the version of this module in the running program, empty if that was built without one.
func moduleVersion() string {
	const module = "github.com/holdfast-ws/holdfast"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}
