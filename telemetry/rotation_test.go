package telemetry_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func TestRotationSpans(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := h
	ctx, rotated := o.RotationStart(t.Context(), rotate.Rotation{
		ID: "r1", KeyID: 3, ClientID: "hunter2", Trigger: rotate.TriggerRotate,
	})
	for _, step := range []rotate.Step{
		{Kind: rotate.StepLease},
		{Kind: rotate.StepPreflight},
		{Kind: rotate.StepIntent},
		{Kind: rotate.StepReset},
		{Kind: rotate.StepStore},
		{Kind: rotate.StepVerify},
		{Kind: rotate.StepPublish},
		{Kind: rotate.StepReauthenticate, Session: "md"},
		{Kind: rotate.StepReauthenticate, Session: "orders"},
	} {
		_, ended := o.RotationStep(ctx, step)
		ended(nil)
	}
	rotated(rotate.RotationEnd{Report: rotate.Report{KeyID: 3, NewGeneration: 8, Outcome: rotate.Rotated}})

	spans := h.spans.Ended()
	root := spans[len(spans)-1]
	var names []string
	for _, span := range spans {
		names = append(names, span.Name()+" "+text(span.Attributes()))
		if span.SpanKind() != trace.SpanKindInternal || span.Status() != (sdktrace.Status{}) {
			t.Errorf("%s: kind %v, status %+v", span.Name(), span.SpanKind(), span.Status())
		}
		if span != root && span.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s is no child of %s", span.Name(), root.Name())
		}
	}
	want := []string{
		"credentials.rotate.lease ", "credentials.rotate.preflight ", "credentials.rotate.intent ",
		"credentials.rotate.reset ", "credentials.rotate.store ", "credentials.rotate.verify ", "credentials.rotate.publish ",
		"credentials.rotate.reauthenticate holdfast.session.name=md",
		"credentials.rotate.reauthenticate holdfast.session.name=orders",
		"credentials.rotate holdfast.credentials.generation=8:int64 holdfast.key.id=3:int64 holdfast.rotation.id=r1 " +
			"holdfast.rotation.outcome=rotated holdfast.rotation.trigger=rotate",
	}
	if !slices.Equal(names, want) {
		t.Errorf("spans:\n got %q\nwant %q", names, want)
	}
}

func TestReauthenticationIsLinkedToItsConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var newest trace.SpanContext
	for epoch := range uint64(2) {
		ctx, connected := h.StepStart(t.Context(), connectStep(epoch+1))
		connected(session.StepEnd{})
		newest = trace.SpanContextFromContext(ctx)
	}
	for name, want := range map[string]int{"md": 1, "unknown": 0} {
		ctx, ended := h.RotationStep(t.Context(), rotate.Step{Kind: rotate.StepReauthenticate, Session: name})
		ended(nil)
		span := h.spans.Ended()[len(h.spans.Ended())-1]
		if span.SpanContext().SpanID() != trace.SpanContextFromContext(ctx).SpanID() {
			t.Fatal("the last span is another")
		}
		if links := span.Links(); len(links) != want || want == 1 && !links[0].SpanContext.Equal(newest) {
			t.Errorf("session %s: links are %v, want %d to its newest connection", name, links, want)
		}
	}
}

// TestClosedSessionIsForgotten: a name that is used again must not lead to the connection of a session that has ended.
func TestClosedSessionIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		closeSession(t, dial(t, h, &exchange{}))
		_, ended := h.RotationStep(t.Context(), rotate.Step{Kind: rotate.StepReauthenticate, Session: "md"})
		ended(nil)
		last := h.spans.Ended()[len(h.spans.Ended())-1]
		if last.Name() != "credentials.rotate.reauthenticate" || len(last.Links()) > 0 {
			t.Errorf("%s has the links %v, want none", last.Name(), last.Links())
		}
	})
}

func TestRotationThatFails(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := h
	refusal := &rpc.Error{Code: 13668, Message: "security_key_authorization_error"}
	ctx, rotated := o.RotationStart(t.Context(), rotate.Rotation{ID: "r1", Trigger: rotate.TriggerRecover})
	_, reset := o.RotationStep(ctx, rotate.Step{Kind: rotate.StepReset})
	reset(refusal)
	rotated(rotate.RotationEnd{Err: refusal})

	for _, span := range h.spans.Ended() {
		if want := (sdktrace.Status{Code: codes.Error, Description: "security_key_authorization_error"}); span.Status() != want {
			t.Errorf("%s: status %+v, want %+v", span.Name(), span.Status(), want)
		}
	}
}

func TestRotationDuration(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := h
	for _, r := range []struct {
		trigger rotate.Trigger
		err     error
	}{
		{rotate.TriggerRotate, nil},
		{rotate.TriggerRotate, nil},
		{rotate.TriggerRotate, rotate.ErrConflict},
		{rotate.TriggerRecover, &rotate.LockedOutError{Err: &rpc.Error{Code: 13004}}},
	} {
		_, rotated := o.RotationStart(t.Context(), rotate.Rotation{Trigger: r.trigger})
		rotated(rotate.RotationEnd{Err: r.err})
	}
	m := h.metrics(t)["holdfast.credentials.rotation.duration"]
	wantText(t, "unit", m.Unit, "s")
	points := histograms(t, m)
	wantKeys(t, "series", points,
		"holdfast.rotation.trigger=rotate",
		"error.type=store_conflict holdfast.rotation.trigger=rotate",
		"error.type=locked_out holdfast.rotation.trigger=recover",
	)
	if n := points["holdfast.rotation.trigger=rotate"].Count; n != 2 {
		t.Errorf("%d rotations, want 2", n)
	}
}
