package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/holdfast-ws/holdfast/session"
)

// liveStates are the states of an open session.
var liveStates = []session.State{
	session.Connecting, session.Authenticating, session.Resuming, session.Ready, session.Maintenance, session.Backoff,
}

// collect reports what is counted. A reader of metrics calls it.
func (t *Telemetry) collect(_ context.Context, o metric.Observer) error {
	now := t.sessions.read()
	i := &t.instruments
	for _, state := range liveStates {
		o.ObserveInt64(i.status, now.states[state], t.with(keySessionState.String(state.String())))
	}
	o.ObserveInt64(i.activeRequests, now.pending, t.common)
	if !now.expires.IsZero() {
		o.ObserveFloat64(i.tokenRemaining, time.Until(now.expires).Seconds(), t.common)
	}
	o.ObserveInt64(i.networkIO, now.total.received, t.with(keyIODirection.String("receive")))
	o.ObserveInt64(i.networkIO, now.total.sent, t.with(keyIODirection.String("transmit")))
	for kind, n := range now.total.kinds {
		byKind := keyChannelKind.String(kind)
		o.ObserveInt64(i.messages, n.messages, t.with(byKind))
		o.ObserveInt64(i.dropped, n.dropped, t.with(byKind, keyGapReason.String(string(session.GapOverflow))))
		o.ObserveInt64(i.gaps, n.breaks, t.with(byKind, keyGapReason.String(string(session.GapSequence))))
	}
	t.observe(o, i.gaps, keyGapReason, &t.gaps)
	t.observe(o, i.disconnects, keyErrorType, &t.disconnects)
	t.observe(o, i.resent, keyRPCMethod, &t.resent)
	return nil
}

// observe reports events by the value of key; a value that is empty is told by the absence of the key.
func (t *Telemetry) observe(o metric.Observer, counter metric.Int64Observable, key attribute.Key, events *tally) {
	for value, n := range events.counts() {
		opt := t.common
		if value != "" {
			opt = t.with(key.String(value))
		}
		o.ObserveInt64(counter, n, opt)
	}
}
