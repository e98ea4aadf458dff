package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func TestSessionStepSpan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		step       session.Step
		end        session.StepEnd
		span       string
		attributes string
		status     sdktrace.Status
	}{
		{
			"connect", connectStep(1),
			session.StepEnd{Generation: 7},
			"session.connect",
			"holdfast.credentials.generation=7:int64 holdfast.session.epoch=1:int64 holdfast.session.name=md " +
				"server.address=www.deribit.com server.port=443:int64",
			sdktrace.Status{},
		},
		{
			"dial",
			session.Step{Kind: session.StepDial, URL: "ws://127.0.0.1:8080"},
			session.StepEnd{Err: &rpc.HandshakeError{URL: "hunter2", Status: 429, Err: errors.New("hunter2")}},
			"session.dial",
			"error.type=429 server.address=127.0.0.1 server.port=8080:int64",
			sdktrace.Status{Code: codes.Error, Description: "429"},
		},
		{
			"authenticate",
			session.Step{Kind: session.StepAuthenticate, Generation: 7},
			session.StepEnd{Err: &session.AuthError{ClientID: "hunter2", Err: &rpc.Error{Code: 13004, Message: "invalid_credentials"}}},
			"session.authenticate",
			"error.type=13004 holdfast.credentials.generation=7:int64 rpc.status_code=13004",
			sdktrace.Status{Code: codes.Error, Description: "invalid_credentials"},
		},
		{
			"authenticate with less scope",
			session.Step{Kind: session.StepAuthenticate},
			session.StepEnd{Err: &session.ScopeError{Asked: "hunter2"}},
			"session.authenticate",
			"error.type=scope",
			sdktrace.Status{Code: codes.Error, Description: "scope"},
		},
		{
			"resume",
			session.Step{Kind: session.StepResume, Channels: 240},
			session.StepEnd{Confirmed: 239},
			"session.resume",
			"holdfast.subscription.channels=240:int64 holdfast.subscription.confirmed=239:int64",
			sdktrace.Status{},
		},
		{
			"subscribe",
			session.Step{Kind: session.StepSubscribe, Channels: 1},
			session.StepEnd{Err: &session.SubscribeError{Refused: []string{"hunter2"}}},
			"session.subscribe",
			"error.type=refused holdfast.subscription.channels=1:int64",
			sdktrace.Status{Code: codes.Error, Description: "refused"},
		},
		{
			"reauthenticate",
			session.Step{Kind: session.StepReauthenticate, Generation: 7},
			session.StepEnd{Err: context.Canceled, Generation: 8},
			"session.reauthenticate",
			"error.type=canceled holdfast.credentials.generation=8:int64",
			sdktrace.Status{Code: codes.Error, Description: "canceled"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			_, ended := h.StepStart(t.Context(), tt.step)
			ended(tt.end)
			span := h.only(t)
			wantText(t, "name", span.Name(), tt.span)
			wantText(t, "attributes", text(span.Attributes()), tt.attributes)
			if span.SpanKind() != trace.SpanKindInternal {
				t.Errorf("kind is %v, want internal", span.SpanKind())
			}
			if span.Status() != tt.status {
				t.Errorf("status is %+v, want %+v", span.Status(), tt.status)
			}
		})
	}
}

func TestStepsAreChildrenOfTheirConnect(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	connecting, connected := h.StepStart(t.Context(), connectStep(1))
	dialing, dialed := h.StepStart(connecting, session.Step{Kind: session.StepDial})
	call(dialing, h.Calls(connecting, connectStep(1)), "public/auth", rpc.CallEnd{})
	dialed(session.StepEnd{})
	connected(session.StepEnd{})

	spans := h.spans.Ended()
	auth, dial, connect := spans[0], spans[1], spans[2]
	if dial.Parent().SpanID() != connect.SpanContext().SpanID() || auth.Parent().SpanID() != dial.SpanContext().SpanID() {
		t.Errorf("the spans %s, %s, %s do not nest", connect.Name(), dial.Name(), auth.Name())
	}
}

// The first connection is part of what the program did when it dialed; the later ones, and all that happens after it, are
// not: no trace lasts as long as a session.
// Asks: semantic-conventions#3703, semantic-conventions#2038, opentelemetry-specification#1683.
func TestNoTraceLastsAsLongAsASession(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ctx, root := h.traces.Tracer("test").Start(t.Context(), "start-up")
	_, ended := h.StepStart(ctx, connectStep(1))
	ended(session.StepEnd{})
	_, ended = h.StepStart(ctx, connectStep(2))
	ended(session.StepEnd{})
	root.End()
	_, ended = h.StepStart(ctx, session.Step{Kind: session.StepReauthenticate})
	ended(session.StepEnd{})

	spans := slices.DeleteFunc(h.spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "start-up" })
	if got := spans[0].Parent().SpanID(); got != root.SpanContext().SpanID() {
		t.Errorf("the first connect has the parent %v, want what dialed", got)
	}
	for _, late := range spans[1:] {
		if late.Parent().IsValid() || late.SpanContext().TraceID() == root.SpanContext().TraceID() {
			t.Errorf("a late %s is in the trace of start-up", late.Name())
		}
		if links := late.Links(); len(links) != 1 || !links[0].SpanContext.Equal(root.SpanContext()) {
			t.Errorf("a late %s has the links %v, want one to what dialed", late.Name(), links)
		}
	}
}

func TestConnectDuration(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, err := range []error{nil, &session.AuthError{Err: &rpc.Error{Code: 13004}}, session.ErrSilent} {
		_, ended := h.StepStart(t.Context(), connectStep(1))
		ended(session.StepEnd{Err: err})
	}
	_, ended := h.StepStart(t.Context(), session.Step{Kind: session.StepDial})
	ended(session.StepEnd{})
	m := h.metrics(t)["holdfast.session.connect.duration"]
	wantText(t, "unit", m.Unit, "s")
	points := histograms(t, m)
	wantKeys(t, "series", points, "", "error.type=13004 rpc.status_code=13004", "error.type=silent")
	if got := points[""].Bounds; !slices.Equal(got, []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}) {
		t.Errorf("buckets are %v", got)
	}
}

func TestDisconnects(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	lost := &rpc.CallError{Err: errors.New("hunter2")}
	for _, change := range []struct {
		from, to session.State
		err      error
	}{
		{session.Connecting, session.Authenticating, nil},
		{session.Authenticating, session.Backoff, lost}, // was never ready
		{session.Ready, session.Backoff, fmt.Errorf("%w for 75s", session.ErrSilent)},
		{session.Ready, session.Backoff, fmt.Errorf("%w for 76s", session.ErrSilent)},
		{session.Ready, session.Closed, session.ErrClosed},
		{session.Ready, session.Connecting, nil}, // planned
		{session.Ready, session.Maintenance, session.ErrMaintenance},
		{session.Maintenance, session.Ready, nil},
		{session.Maintenance, session.Backoff, fmt.Errorf("%w for 77s", session.ErrSilent)},
		{session.Backoff, session.Connecting, nil},
	} {
		h.StateChanged(nil, change.from, change.to, change.err)
	}
	m := h.metrics(t)["holdfast.session.disconnects"]
	got := sums(t, m)
	wantKeys(t, "series", got, "error.type=silent", "error.type=session_closed", "")
	if got["error.type=silent"] != 3 || m.Unit != "{disconnect}" {
		t.Errorf("%d silent ends in %s, want 3 in {disconnect}", got["error.type=silent"], m.Unit)
	}
}

func TestGapsAndResentCalls(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.Gap(nil, &session.GapError{Reason: session.GapReconnect})
	h.Gap(nil, &session.GapError{Reason: session.GapReconnect})
	h.Gap(nil, &session.GapError{Reason: session.GapSequence, Channel: "book.BTC-PERPETUAL.raw"}) // counted by the session
	h.Resent(nil, "private/buy")
	h.Resent(nil, "private/hunter2")

	m := h.metrics(t)
	gaps := sums(t, m["holdfast.subscription.gaps"])
	wantKeys(t, "gaps", gaps, "holdfast.gap.reason=reconnect")
	if n := gaps["holdfast.gap.reason=reconnect"]; n != 2 {
		t.Errorf("%d gaps, want 2", n)
	}
	wantKeys(t, "resent", sums(t, m["holdfast.session.resent"]), "rpc.method=private/buy", "rpc.method=_OTHER")
}

// Reasons that a server makes up must not make up series without end (I12).
func TestDisconnectsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for code := range rpc.Code(1000) {
		h.StateChanged(nil, session.Ready, session.Backoff, &rpc.Error{Code: code})
	}
	got := sums(t, h.metrics(t)["holdfast.session.disconnects"])
	if len(got) != 257 || got["error.type=_OTHER"] != 744 {
		t.Errorf("%d series with %d other reasons, want 257 with 744", len(got), got["error.type=_OTHER"])
	}
}

// TestDurationsAreBounded is the same for what is measured of connections and rotations.
func TestDurationsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for code := range rpc.Code(1000) {
		_, connected := h.StepStart(t.Context(), session.Step{Kind: session.StepConnect, Session: "s", Epoch: 1})
		connected(session.StepEnd{Err: &rpc.Error{Code: code}})
		_, rotated := h.RotationStart(t.Context(), rotate.Rotation{Trigger: rotate.TriggerRotate})
		rotated(rotate.RotationEnd{Err: &rpc.Error{Code: code}})
	}
	m := h.metrics(t)
	for _, name := range []string{"holdfast.session.connect.duration", "holdfast.credentials.rotation.duration"} {
		if got := histograms(t, m[name]); len(got) != 257 {
			t.Errorf("%s: %d series, want 257", name, len(got))
		}
	}
}
