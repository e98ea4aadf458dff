package telemetry

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Option configures a [Telemetry].
type Option func(*config)

type config struct {
	tracerProvider trace.TracerProvider
	meterProvider  metric.MeterProvider
	methods        []string
	attributes     []attribute.KeyValue
	callSpans      *bool // nil: only if a tracer provider was given
	callSampling   float64
}

// WithTracerProvider sets where spans go, and turns spans for calls on. The default is the global provider, for the steps of
// sessions and rotations but not for calls; so it is with nil.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(c *config) { c.tracerProvider = tp }
}

// WithMeterProvider sets where metrics go. The default, and nil, is the global provider. A connection that is opened while
// there is none is not measured, at no cost, even if one is set later.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return func(c *config) { c.meterProvider = mp }
}

// WithKnownMethods adds methods to those that are reported by name. Deribit's are known already; all others are _OTHER, so
// that what a caller makes up does not become a label.
func WithKnownMethods(methods ...string) Option {
	return func(c *config) { c.methods = append(c.methods, methods...) }
}

// WithAttributes adds attributes to every span and every measurement. Their values must not vary much, and must not be
// secret.
func WithAttributes(attributes ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, attributes...) }
}

// WithCallSpans says whether calls get spans, whatever tracer provider there is.
func WithCallSpans(on bool) Option {
	return func(c *config) { c.callSpans = &on }
}

// WithCallSampling gives spans to a ratio of calls only, from 0 to 1, and spares the others what it costs to ask the
// provider's sampler: a third of a microsecond and three allocations each. The default is 1. It decides for calls that would
// begin a trace; a call within a trace has a span if that trace is recorded. The provider's sampler is still asked, so it
// should sample all that it is shown, as its default does.
func WithCallSampling(ratio float64) Option {
	return func(c *config) { c.callSampling = ratio }
}

func newConfig(opts []Option) config {
	c := config{callSampling: 1}
	for _, opt := range opts {
		opt(&c)
	}
	if c.callSpans == nil {
		_, none := c.tracerProvider.(noop.TracerProvider)
		on := c.tracerProvider != nil && !none
		c.callSpans = &on
	}
	if c.tracerProvider == nil {
		c.tracerProvider = otel.GetTracerProvider()
	}
	if c.meterProvider == nil {
		c.meterProvider = otel.GetMeterProvider()
	}
	return c
}
