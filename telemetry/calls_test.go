package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// call plays one call to an observer.
func call(ctx context.Context, o rpc.Observer, method string, end rpc.CallEnd) {
	ctx = o.CallStart(ctx, rpc.CallInfo{Method: method})
	o.CallEnd(ctx, rpc.CallInfo{Method: method, ID: 42}, end)
}

const (
	common = "jsonrpc.protocol.version=2.0 jsonrpc.request.id=42 rpc.method=private/buy "
	server = "rpc.system.name=jsonrpc server.address=www.deribit.com server.port=443:int64"
)

func TestCallSpan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method string
		end          rpc.CallEnd
		span         string
		attributes   string
		status       sdktrace.Status
	}{
		{
			"answered", "private/buy",
			rpc.CallEnd{Total: time.Millisecond, Queued: time.Microsecond, Server: 250 * time.Microsecond},
			"private/buy",
			"holdfast.call.queue_duration=1e-06:float64 holdfast.call.server_duration=0.00025:float64 " + common + server,
			sdktrace.Status{},
		},
		{
			"refused", "private/buy",
			rpc.CallEnd{Err: &rpc.Error{Code: 13009, Message: "unauthorized"}},
			"private/buy",
			"error.type=13009 " + common + "rpc.status_code=13009 " + server,
			sdktrace.Status{Code: codes.Error, Description: "unauthorized"},
		},
		{
			"refused in the code space of JSON-RPC", "private/buy",
			rpc.CallEnd{Err: fmt.Errorf("wrapped: %w", &rpc.Error{Code: rpc.CodeInvalidParams, Message: "Invalid params"})},
			"private/buy",
			"error.type=-32602 " + common + "rpc.status_code=-32602 " + server,
			sdktrace.Status{Code: codes.Error, Description: "Invalid params"},
		},
		{
			"unanswered", "private/buy",
			rpc.CallEnd{Err: &rpc.CallError{Method: "private/buy", ID: 42, Err: context.DeadlineExceeded}},
			"private/buy",
			"error.type=timeout holdfast.call.outcome=unknown " + common + server,
			sdktrace.Status{Code: codes.Error, Description: "timeout: unknown"},
		},
		{
			"not sent", "private/buy",
			rpc.CallEnd{Err: &rpc.CallError{Method: "private/buy", Outcome: rpc.NotSent, Err: session.ErrNotReady}},
			"private/buy",
			"error.type=not_ready holdfast.call.outcome=not sent " + common + server,
			sdktrace.Status{Code: codes.Error, Description: "not_ready: not sent"},
		},
		{
			"of an unknown method", "private/hunter2",
			rpc.CallEnd{},
			"jsonrpc",
			"jsonrpc.protocol.version=2.0 jsonrpc.request.id=42 rpc.method=_OTHER rpc.method_original=private/hunter2 " + server,
			sdktrace.Status{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			call(t.Context(), h.Calls(t.Context(), connectStep(1)), tt.method, tt.end)
			span := h.only(t)
			wantText(t, "name", span.Name(), tt.span)
			wantText(t, "attributes", text(span.Attributes()), tt.attributes)
			if span.SpanKind() != trace.SpanKindClient {
				t.Errorf("kind is %v, want client", span.SpanKind())
			}
			if span.Status() != tt.status {
				t.Errorf("status is %+v, want %+v", span.Status(), tt.status)
			}
			if scope := span.InstrumentationScope(); scope.Name != telemetry.ScopeName || scope.SchemaURL != "https://opentelemetry.io/schemas/1.45.0" {
				t.Errorf("scope is %+v", scope)
			}
		})
	}
}

func TestCallSpanIsLinkedToItsConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	connecting, connected := h.StepStart(t.Context(), connectStep(1))
	calls := h.Calls(connecting, connectStep(1))
	connected(session.StepEnd{})
	callers, root := h.traces.Tracer("test").Start(t.Context(), "trade")
	call(callers, calls, "private/buy", rpc.CallEnd{})
	root.End()

	span := h.spans.Ended()[1]
	if span.Parent().SpanID() != root.SpanContext().SpanID() {
		t.Errorf("the parent is not the caller's span")
	}
	connect := trace.SpanContextFromContext(connecting)
	if links := span.Links(); len(links) != 1 || !links[0].SpanContext.Equal(connect) {
		t.Errorf("links are %v, want one to the connect span", links)
	}
}

func TestCallSpanAfterItsParentEnded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ctx, root := h.traces.Tracer("test").Start(t.Context(), "start-up")
	root.End()
	call(ctx, h.Calls(t.Context(), connectStep(1)), "public/test", rpc.CallEnd{})

	span := h.spans.Ended()[1]
	if span.Parent().IsValid() || span.SpanContext().TraceID() == root.SpanContext().TraceID() {
		t.Errorf("a call long after start-up is in the trace of start-up")
	}
	if links := span.Links(); len(links) != 1 || !links[0].SpanContext.Equal(root.SpanContext()) {
		t.Errorf("links are %v, want one to the span that has ended", links)
	}
}

func TestCallSpansOnlyWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	unsampled := func(t *testing.T) context.Context {
		t.Helper()
		never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		ctx, span := never.Tracer("test").Start(t.Context(), "unsampled")
		t.Cleanup(func() { span.End() })
		return ctx
	}
	plain := func(t *testing.T) context.Context { t.Helper(); return t.Context() }
	tests := []struct {
		name string
		opts []telemetry.Option
		ctx  func(*testing.T) context.Context
		want int
	}{
		{"by default with a provider", nil, plain, 1},
		{"switched off", []telemetry.Option{telemetry.WithCallSpans(false)}, plain, 0},
		{"below an unsampled span", nil, unsampled, 0},
		{"below an unsampled span, with a sampler that does not look up", []telemetry.Option{telemetry.WithTracerProvider(
			sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample())))}, unsampled, 0},
		{"with a provider that makes none", []telemetry.Option{telemetry.WithTracerProvider(noop.NewTracerProvider())}, plain, 0},
		{"not sampled", []telemetry.Option{telemetry.WithTracerProvider(
			sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))}, plain, 0},
		{"without a provider", []telemetry.Option{telemetry.WithTracerProvider(nil)}, plain, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, tt.opts...)
			ctx := tt.ctx(t)
			calls := h.Calls(t.Context(), connectStep(1))
			if got := calls.CallStart(ctx, rpc.CallInfo{Method: "private/buy"}); tt.want == 0 && got != ctx {
				t.Errorf("CallStart made a new context for nothing")
			}
			call(ctx, calls, "private/buy", rpc.CallEnd{})
			if n := len(h.spans.Ended()); n != tt.want {
				t.Errorf("%d spans, want %d", n, tt.want)
			}
			if points := histograms(t, h.metrics(t)["rpc.client.call.duration"]); len(points) != 1 {
				t.Errorf("%d series of calls, want 1", len(points))
			}
		})
	}
}

// A call without a span of its own must not end its caller's.
func TestCallEndLeavesTheCallersSpanAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t, telemetry.WithCallSpans(false))
	ctx, span := h.traces.Tracer("test").Start(t.Context(), "trade")
	call(ctx, h.Calls(t.Context(), connectStep(1)), "private/buy", rpc.CallEnd{Err: errors.New("no")})
	if !span.IsRecording() {
		t.Error("the caller's span has ended")
	}
	span.End()
	if got := h.only(t).Status(); got != (sdktrace.Status{}) {
		t.Errorf("the caller's span has the status %+v", got)
	}
}

func TestCallDuration(t *testing.T) {
	t.Parallel()
	h := newHarness(t, telemetry.WithKnownMethods("private/mine"), telemetry.WithAttributes(attribute.String("desk", "vol")))
	calls := h.Calls(t.Context(), connectStep(1))
	call(t.Context(), calls, "private/buy", rpc.CallEnd{Total: 300 * time.Microsecond})
	call(t.Context(), calls, "private/buy", rpc.CallEnd{Total: 3 * time.Second})
	call(t.Context(), calls, "private/mine", rpc.CallEnd{})
	call(t.Context(), calls, "private/hunter2", rpc.CallEnd{})
	call(t.Context(), calls, "private/buy", rpc.CallEnd{Err: &rpc.Error{Code: 10028, Message: "too_many_requests"}})
	call(t.Context(), calls, "private/buy", rpc.CallEnd{Err: fmt.Errorf("%w: hunter2", rpc.ErrDecode)})

	m := h.metrics(t)["rpc.client.call.duration"]
	wantText(t, "unit", m.Unit, "s")
	points := histograms(t, m)
	const buy = "desk=vol rpc.method=private/buy " + server
	wantKeys(t, "series", points,
		buy,
		"desk=vol rpc.method=private/mine "+server,
		"desk=vol rpc.method=_OTHER "+server,
		"desk=vol error.type=10028 rpc.method=private/buy rpc.status_code=10028 "+server,
		"desk=vol error.type=decode rpc.method=private/buy "+server,
	)
	point := points[buy]
	buckets := []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	if !slices.Equal(point.Bounds, buckets) {
		t.Errorf("buckets are %v, want %v", point.Bounds, buckets)
	}
	if point.Count != 2 || point.BucketCounts[1] != 1 || point.BucketCounts[15] != 1 {
		t.Errorf("%d calls in the buckets %v", point.Count, point.BucketCounts)
	}
}

func TestHeartbeatRTT(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	calls := h.Calls(t.Context(), connectStep(1))
	call(t.Context(), calls, "public/test", rpc.CallEnd{Total: time.Millisecond})
	call(t.Context(), calls, "public/test", rpc.CallEnd{Err: &rpc.CallError{Err: context.DeadlineExceeded}})
	call(t.Context(), calls, "public/get_time", rpc.CallEnd{Total: time.Millisecond})
	m := h.metrics(t)["holdfast.heartbeat.rtt"]
	points := histograms(t, m)
	wantKeys(t, "series", points, "")
	if points[""].Count != 1 || m.Unit != "s" {
		t.Errorf("%d round trips in %s, want 1 in s", points[""].Count, m.Unit)
	}
}

// A server that makes up codes must not make up series without end (I12).
func TestOutcomesAreBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, telemetry.WithCallSpans(false))
	calls := h.Calls(t.Context(), connectStep(1))
	for code := range rpc.Code(1000) {
		call(t.Context(), calls, "private/buy", rpc.CallEnd{Err: &rpc.Error{Code: code}})
	}
	call(t.Context(), calls, "private/sell", rpc.CallEnd{})
	points := histograms(t, h.metrics(t)["rpc.client.call.duration"])
	if len(points) != 258 {
		t.Errorf("%d series, want 256 and two for all others", len(points))
	}
	if n := points["error.type=_OTHER rpc.method=_OTHER "+server].Count; n != 744 {
		t.Errorf("%d of the calls with too many codes, want 744", n)
	}
	if n := points["rpc.method=_OTHER "+server].Count; n != 1 {
		t.Errorf("%d of the answered calls beyond the bound, want 1", n)
	}
}

func TestStrays(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	calls := h.Calls(t.Context(), connectStep(1))
	for _, kind := range []rpc.StrayKind{
		rpc.StrayLate, rpc.StrayLate, rpc.StrayUnknownID, rpc.StrayDuplicate, rpc.StrayError, rpc.StrayNotification, 99,
	} {
		calls.Stray(rpc.Stray{Kind: kind, Method: "private/buy"})
	}
	m := h.metrics(t)["holdfast.session.strays"]
	got := sums(t, m)
	wantKeys(t, "series", got,
		"holdfast.stray.kind=late", "holdfast.stray.kind=unknown_id", "holdfast.stray.kind=duplicate",
		"holdfast.stray.kind=error", "holdfast.stray.kind=notification", "holdfast.stray.kind=_OTHER")
	if got["holdfast.stray.kind=late"] != 2 || m.Unit != "{frame}" {
		t.Errorf("%d late answers in %s, want 2 in {frame}", got["holdfast.stray.kind=late"], m.Unit)
	}
}

// With metrics alone a call costs no memory, whatever its outcome.
func TestMetricsAloneDoNotAllocate(t *testing.T) {
	h := newHarness(t, telemetry.WithCallSpans(false))
	calls := h.Calls(t.Context(), connectStep(1))
	for name, end := range map[string]rpc.CallEnd{
		"answered":   {Total: time.Millisecond},
		"refused":    {Err: &rpc.Error{Code: 13009, Message: "unauthorized"}},
		"unanswered": {Err: &rpc.CallError{Method: "public/test", Err: context.Canceled}},
	} {
		ctx, info := t.Context(), rpc.CallInfo{Method: "public/test", ID: 42}
		allocs := testing.AllocsPerRun(1000, func() { calls.CallEnd(calls.CallStart(ctx, info), info, end) })
		if allocs != 0 {
			t.Errorf("%s: %v allocations per call, want 0", name, allocs)
		}
	}
}
