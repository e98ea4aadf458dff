package telemetry

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rpc"
)

// methodTest is the method by which heartbeats are answered.
const methodTest = "public/test"

// connection observes the calls of one connection.
type connection struct {
	telemetry *Telemetry
	server    endpoint
	link      trace.Link // to the span of the connection's opening

	mu     sync.Mutex // serializes replacing options
	loaded atomic.Pointer[map[string][]trace.SpanStartOption]
}

// newConnection observes the calls to server. opened is the context of the connection's opening.
func (t *Telemetry) newConnection(opened context.Context, server endpoint) *connection {
	c := &connection{telemetry: t, server: server, link: trace.LinkFromContext(opened)}
	c.loaded.Store(&map[string][]trace.SpanStartOption{})
	return c
}

// callSpanKey is the context key of the span of a call. The context's current span would not do: without a call span
// that is the caller's own.
type callSpanKey struct{}

// CallStart implements [rpc.Observer].
func (c *connection) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	t := c.telemetry
	if !t.callSpans || isUnsampled(trace.SpanFromContext(ctx)) {
		return ctx
	}
	name, opts := c.spanOptions(call.Method)
	opts = append(slices.Clip(opts), adopted(ctx)...)
	spanCtx, span := t.tracer.Start(ctx, name, opts...)
	if !span.IsRecording() {
		span.End()
		return ctx
	}
	return context.WithValue(spanCtx, callSpanKey{}, span)
}

// CallEnd implements [rpc.Observer].
func (c *connection) CallEnd(ctx context.Context, call rpc.CallInfo, ended rpc.CallEnd) {
	t := c.telemetry
	if t.instruments.callDuration.Enabled(ctx) {
		o := outcome{server: c.server, method: t.method(call.Method), failure: classify(ended.Err)}
		t.instruments.callDuration.Record(ctx, ended.Total.Seconds(), t.outcomes.options(o)...)
	}
	if call.Method == methodTest && ended.Err == nil {
		t.instruments.heartbeatRTT.Record(ctx, ended.Total.Seconds(), t.plain...)
	}
	if !t.callSpans {
		return
	}
	if span, ok := ctx.Value(callSpanKey{}).(trace.Span); ok {
		span.SetAttributes(endAttributes(call, ended)...)
		end(span, ended.Err)
	}
}

func endAttributes(call rpc.CallInfo, ended rpc.CallEnd) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if call.ID != 0 {
		attributes = append(attributes, keyJSONRPCRequestID.String(strconv.FormatUint(call.ID, 10)))
	}
	if ended.Queued > 0 {
		attributes = append(attributes, keyCallQueued.Float64(ended.Queued.Seconds()))
	}
	if ended.Server > 0 {
		attributes = append(attributes, keyCallServer.Float64(ended.Server.Seconds()))
	}
	if unanswered, ok := errors.AsType[*rpc.CallError](ended.Err); ok {
		attributes = append(attributes, keyCallOutcome.String(unanswered.Outcome.String()))
	}
	return attributes
}

var strayKinds = map[rpc.StrayKind]string{
	rpc.StrayLate: "late", rpc.StrayUnknownID: "unknown_id", rpc.StrayDuplicate: "duplicate",
	rpc.StrayError: "error", rpc.StrayNotification: "notification",
}

// Stray implements [rpc.Observer].
func (c *connection) Stray(stray rpc.Stray) {
	kind, ok := strayKinds[stray.Kind]
	if !ok {
		kind = other
	}
	c.telemetry.strays.add(kind)
}

// spanOptions returns the name of a call's span and the options that it starts with.
func (c *connection) spanOptions(method string) (string, []trace.SpanStartOption) {
	known := c.telemetry.method(method)
	opts, ok := (*c.loaded.Load())[known]
	if !ok {
		opts = c.addOptions(known)
	}
	if known != method {
		opts = append(slices.Clip(opts), trace.WithAttributes(keyRPCMethodOriginal.String(method)))
		return "jsonrpc", opts
	}
	return method, opts
}

func (c *connection) addOptions(known string) []trace.SpanStartOption {
	attributes := append([]attribute.KeyValue{
		keyRPCSystem.String("jsonrpc"), keyRPCMethod.String(known), keyJSONRPCVersion.String("2.0"),
	}, c.server.attributes()...)
	opts := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(append(attributes, c.telemetry.attributes...)...),
	}
	if c.link.SpanContext.IsValid() {
		opts = append(opts, trace.WithLinks(c.link))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added := maps.Clone(*c.loaded.Load())
	added[known] = opts
	c.loaded.Store(&added)
	return opts
}

var _ rpc.Observer = (*connection)(nil)
