package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/holdfast-ws/holdfast/rotate"
)

// RotationStart implements [rotate.Observer].
func (t *Telemetry) RotationStart(ctx context.Context, rotation rotate.Rotation) (context.Context, func(rotate.RotationEnd)) {
	begun := time.Now()
	trigger := keyTrigger.String(string(rotation.Trigger))
	attributes := []attribute.KeyValue{trigger, keyRotationID.String(rotation.ID)}
	if rotation.KeyID != 0 {
		attributes = append(attributes, keyKeyID.Int64(rotation.KeyID))
	}
	ctx, span := t.startStep(ctx, "credentials.rotate", attributes, adopted(ctx))
	return ctx, func(ended rotate.RotationEnd) {
		measured := append([]attribute.KeyValue{trigger}, t.rotating.bound(classify(ended.Err)).attributes()...)
		t.instruments.rotationDuration.Record(ctx, time.Since(begun).Seconds(), t.with(measured...))
		if span.IsRecording() {
			span.SetAttributes(reportAttributes(ended.Report)...)
		}
		end(span, ended.Err)
	}
}

func reportAttributes(report rotate.Report) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if report.Outcome != "" {
		attributes = append(attributes, keyRotationOutcome.String(string(report.Outcome)))
	}
	if report.KeyID != 0 {
		attributes = append(attributes, keyKeyID.Int64(report.KeyID))
	}
	if report.NewGeneration != 0 {
		attributes = append(attributes, keyGeneration.Int64(signed(report.NewGeneration)))
	}
	return attributes
}

// RotationStep implements [rotate.Observer]. The re-authentication of a session is linked to the opening of its connection.
func (t *Telemetry) RotationStep(ctx context.Context, step rotate.Step) (context.Context, func(error)) {
	kinship := adopted(ctx)
	var attributes []attribute.KeyValue
	if step.Session != "" {
		attributes = append(attributes, keySessionName.String(step.Session))
		kinship = append(kinship, t.openings.links(step.Session)...)
	}
	ctx, span := t.startStep(ctx, "credentials.rotate."+string(step.Kind), attributes, kinship)
	return ctx, func(err error) { end(span, err) }
}
