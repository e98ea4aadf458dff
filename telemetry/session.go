package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// Opened implements [session.Observer].
func (t *Telemetry) Opened(s *session.Session) { t.sessions.add(s) }

// Ended implements [session.Observer].
func (t *Telemetry) Ended(s *session.Session) {
	t.sessions.remove(s)
	t.openings.forget(s.Name())
}

// Calls implements [session.Observer]: it returns what reports the calls of one connection, nil if nothing is to be
// reported of them.
func (t *Telemetry) Calls(ctx context.Context, step session.Step) rpc.Observer {
	if !t.callSpans && !t.instruments.observeCalls(ctx) {
		return nil // so that rpc does not even look at the clock
	}
	return t.newConnection(ctx, endpointOf(step.URL))
}

// StepStart implements [session.Observer]: a step is a span.
func (t *Telemetry) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	begun := time.Now()
	kinship := adopted(ctx)
	if step.Kind == session.StepConnect && step.Epoch > 1 {
		// A reconnect is no part of what the program did when it dialed, long ago.
		kinship = detached(ctx)
	}
	ctx, span := t.startStep(ctx, "session."+string(step.Kind), stepAttributes(step), kinship)
	if step.Kind == session.StepConnect {
		t.openings.set(step.Session, span.SpanContext())
	}
	return ctx, func(ended session.StepEnd) {
		if step.Kind == session.StepConnect {
			t.instruments.connectDuration.Record(ctx, time.Since(begun).Seconds(), t.with(t.connecting.bound(classify(ended.Err)).attributes()...))
		}
		if span.IsRecording() {
			span.SetAttributes(stepEndAttributes(ended)...)
		}
		end(span, ended.Err)
	}
}

// StateChanged implements [session.Observer]: a ready session that stops to be so has lost its connection, unless the exchange is in
// maintenance.
func (t *Telemetry) StateChanged(_ *session.Session, from, to session.State, err error) {
	wasServing := from == session.Ready || from == session.Maintenance && to != session.Ready
	if wasServing && to != session.Maintenance {
		t.disconnects.add(classify(err).errorType())
	}
}

// Gap implements [session.Observer]. Breaks of a channel's sequence are counted by the session itself, by kind of channel.
func (t *Telemetry) Gap(_ *session.Session, gap *session.GapError) {
	if gap.Reason != session.GapSequence {
		t.gaps.add(string(gap.Reason))
	}
}

// Resent implements [session.Observer].
func (t *Telemetry) Resent(_ *session.Session, method string) { t.resent.add(t.method(method)) }

func stepAttributes(step session.Step) []attribute.KeyValue {
	attributes := endpointOf(step.URL).attributes()
	if step.Session != "" {
		attributes = append(attributes, keySessionName.String(step.Session))
	}
	if step.Epoch != 0 {
		attributes = append(attributes, keyEpoch.Int64(signed(step.Epoch)))
	}
	if step.Generation != 0 {
		attributes = append(attributes, keyGeneration.Int64(signed(step.Generation)))
	}
	if step.Channels != 0 {
		attributes = append(attributes, keyChannels.Int(step.Channels))
	}
	return attributes
}

func stepEndAttributes(ended session.StepEnd) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if ended.Generation != 0 {
		attributes = append(attributes, keyGeneration.Int64(signed(ended.Generation)))
	}
	if ended.Confirmed != 0 {
		attributes = append(attributes, keyConfirmed.Int(ended.Confirmed))
	}
	return attributes
}

var (
	_ session.Observer = (*Telemetry)(nil)
	_ rotate.Observer  = (*Telemetry)(nil)
)
