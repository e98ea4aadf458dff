package telemetry

import (
	"context"
	"math/rand/v2"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startStep starts the span of a step. kinship is what [adopted] or [detached] say.
func (t *Telemetry) startStep(
	ctx context.Context, name string, attributes []attribute.KeyValue, kinship []trace.SpanStartOption,
) (context.Context, trace.Span) {
	opts := append(kinship, trace.WithAttributes(slices.Concat(attributes, t.attributes)...))
	return t.tracer.Start(ctx, name, opts...) //nolint:spancheck // ended by the function that the observer returns
}

// wantsSpan reports whether a call that is made in ctx is to have a span, as far as telemetry decides.
func (t *Telemetry) wantsSpan(ctx context.Context) bool {
	parent := trace.SpanFromContext(ctx)
	switch {
	case isUnsampled(parent):
		return false
	case parent.SpanContext().IsValid() && !hasEnded(parent):
		return true
	}
	return t.sampling >= 1 || rand.Float64() < t.sampling
}

// adopted is how a span is related to the current one: a parent that has ended adopts no children, else a trace would last
// as long as a session.
func adopted(ctx context.Context) []trace.SpanStartOption {
	if hasEnded(trace.SpanFromContext(ctx)) {
		return detached(ctx)
	}
	return nil
}

// detached makes a span the root of a trace of its own, linked to the current one.
func detached(ctx context.Context) []trace.SpanStartOption {
	opts := []trace.SpanStartOption{trace.WithNewRoot()}
	if link := trace.LinkFromContext(ctx); link.SpanContext.IsValid() {
		opts = append(opts, trace.WithLinks(link))
	}
	return opts
}

// hasEnded reports whether a span of this process was recorded and no longer is.
func hasEnded(span trace.Span) bool {
	sc := span.SpanContext()
	return sc.IsValid() && sc.IsSampled() && !sc.IsRemote() && !span.IsRecording()
}

// isUnsampled reports whether a span of this process is not recorded because its trace is not sampled.
func isUnsampled(span trace.Span) bool {
	sc := span.SpanContext()
	return sc.IsValid() && !sc.IsSampled() && !sc.IsRemote() && !span.IsRecording()
}

// end gives a span the status of err and ends it. A span that succeeded keeps the status unset.
func end(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		f := classify(err)
		span.SetAttributes(f.attributes()...)
		span.SetStatus(codes.Error, describe(err, f))
	}
	span.End()
}
