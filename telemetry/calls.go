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
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rpc"
)

// methodTest is the method by which heartbeats are answered.
const methodTest = "public/test"

// connection observes the calls of one connection.
type connection struct {
	telemetry *Telemetry
	server    endpoint
	link      trace.Link      // to the span of the connection's opening
	opened    context.Context //nolint:containedctx // of that span: a stray comes with no other

	mu     sync.Mutex // serializes replacing loaded
	loaded atomic.Pointer[map[string]*method]
}

// method is what is prepared for the calls of a method: with it, a call that is answered costs one look-up.
type method struct {
	name     string // _OTHER if it is not known
	span     string
	start    []trace.SpanStartOption
	answered []metric.RecordOption
}

// newConnection observes the calls to server. opened is the context of the connection's opening.
func (t *Telemetry) newConnection(opened context.Context, server endpoint) *connection {
	c := &connection{
		telemetry: t, server: server, link: trace.LinkFromContext(opened), opened: context.WithoutCancel(opened),
	}
	c.loaded.Store(&map[string]*method{})
	return c
}

// spanContext is the context of a call that has a span: the caller's, in which that span is the current one. A type of
// its own is found without a search, and cannot be taken for a span of the caller's.
type spanContext struct {
	context.Context //nolint:containedctx // it is one
	span            trace.Span
}

// CallStart implements [rpc.Observer].
func (c *connection) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	t := c.telemetry
	if !t.callSpans || !t.wantsSpan(ctx) {
		return ctx
	}
	m := c.method(call.Method)
	opts := append(slices.Clip(m.start), adopted(ctx)...)
	if m.name != call.Method {
		opts = append(opts, trace.WithAttributes(keyRPCMethodOriginal.String(call.Method)))
	}
	spanCtx, span := t.tracer.Start(ctx, m.span, opts...)
	if !span.IsRecording() {
		span.End()
		return ctx
	}
	return &spanContext{spanCtx, span}
}

// CallEnd implements [rpc.Observer].
func (c *connection) CallEnd(ctx context.Context, call rpc.CallInfo, ended rpc.CallEnd) {
	i := &c.telemetry.instruments
	if i.callDuration.Enabled(ctx) {
		i.callDuration.Record(ctx, ended.Total.Seconds(), c.measured(call.Method, ended.Err)...)
	}
	if call.Method == methodTest && ended.Err == nil {
		i.heartbeatRTT.Record(ctx, ended.Total.Seconds(), c.telemetry.plain...)
	}
	if traced, ok := ctx.(*spanContext); ok {
		traced.span.SetAttributes(endAttributes(call, ended)...)
		end(traced.span, ended.Err)
	}
}

// measured is the option of the measurement of a call that ended with err.
func (c *connection) measured(name string, err error) []metric.RecordOption {
	if err == nil {
		return c.method(name).answered
	}
	t := c.telemetry
	return t.outcomes.options(outcome{server: c.server, method: t.method(name), failure: classify(err)})
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

// Stray implements [rpc.Observer].
func (c *connection) Stray(stray rpc.Stray) {
	t := c.telemetry
	opts, ok := t.strays[stray.Kind]
	if !ok {
		opts = t.strayOptions(other)
	}
	t.instruments.strays.Add(c.opened, 1, opts...)
}

var strayKinds = map[rpc.StrayKind]string{
	rpc.StrayLate: "late", rpc.StrayUnknownID: "unknown_id", rpc.StrayDuplicate: "duplicate",
	rpc.StrayError: "error", rpc.StrayNotification: "notification",
}

func (t *Telemetry) strayOptions(kind string) []metric.AddOption {
	return []metric.AddOption{t.with(keyStrayKind.String(kind))}
}

// method returns what is prepared for a method; all that are not known share one.
func (c *connection) method(name string) *method {
	if m, ok := (*c.loaded.Load())[name]; ok {
		return m
	}
	known := c.telemetry.method(name)
	if m, ok := (*c.loaded.Load())[known]; ok {
		return m
	}
	return c.prepare(known)
}

func (c *connection) prepare(known string) *method {
	t := c.telemetry
	m := &method{
		name: known,
		span: known,
		start: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(slices.Concat(
			[]attribute.KeyValue{keyRPCSystem.String("jsonrpc"), keyRPCMethod.String(known), keyJSONRPCVersion.String("2.0")},
			c.server.attributes(), t.attributes)...)},
		answered: t.outcomes.options(outcome{server: c.server, method: known}),
	}
	if known == other {
		m.span = "jsonrpc"
	}
	if c.link.SpanContext.IsValid() {
		m.start = append(m.start, trace.WithLinks(c.link))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	added := maps.Clone(*c.loaded.Load())
	added[known] = m
	c.loaded.Store(&added)
	return m
}

var _ rpc.Observer = (*connection)(nil)
