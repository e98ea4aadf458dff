package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are all that Telemetry measures with.
type instruments struct {
	callDuration     metric.Float64Histogram
	heartbeatRTT     metric.Float64Histogram
	connectDuration  metric.Float64Histogram
	rotationDuration metric.Float64Histogram
	strays           metric.Int64Counter

	// Read from counters when a reader collects: nothing is paid for them on the hot paths.
	status         metric.Int64ObservableUpDownCounter
	activeRequests metric.Int64ObservableUpDownCounter
	messages       metric.Int64ObservableCounter
	dropped        metric.Int64ObservableCounter
	gaps           metric.Int64ObservableCounter
	disconnects    metric.Int64ObservableCounter
	resent         metric.Int64ObservableCounter
	networkIO      metric.Int64ObservableCounter
	tokenRemaining metric.Float64ObservableGauge
}

func newInstruments(meter metric.Meter) (instruments, error) {
	m := maker{meter: meter}
	i := instruments{
		callDuration:     m.seconds("rpc.client.call.duration", "Duration of an outgoing call.", callBuckets),
		heartbeatRTT:     m.seconds("holdfast.heartbeat.rtt", "Round trip of public/test, which answers heartbeats.", callBuckets),
		connectDuration:  m.seconds("holdfast.session.connect.duration", "Time from dialing to ready.", stepBuckets),
		rotationDuration: m.seconds("holdfast.credentials.rotation.duration", "Duration of a rotation.", stepBuckets),
		disconnects:      m.sum("holdfast.session.disconnects", "{disconnect}", "Connections of ready sessions that ended."),
		resent:           m.sum("holdfast.session.resent", "{request}", "Calls sent again after a re-authentication."),
		strays:           m.counter("holdfast.session.strays", "{frame}", "Frames that belong to no waiting call."),

		status:         m.level("holdfast.session.status", "1", "Open sessions by state."),
		activeRequests: m.level("holdfast.session.active_requests", "{request}", "Calls that wait for their answer."),
		messages:       m.sum("holdfast.subscription.messages", "{message}", "Notifications received."),
		dropped:        m.sum("holdfast.subscription.dropped", "{message}", "Notifications dropped for slow subscribers."),
		gaps:           m.sum("holdfast.subscription.gaps", "{gap}", "Places in streams where notifications may be missing."),
		networkIO:      m.sum("holdfast.network.io", "By", "Bytes of messages."),
		tokenRemaining: m.gauge("holdfast.credentials.token.remaining", "s", "Least time until a session's token ends."),
	}
	return i, m.err
}

// observeCalls reports whether anything is measured of the calls and frames of a connection.
func (i instruments) observeCalls(ctx context.Context) bool {
	return i.callDuration.Enabled(ctx) || i.heartbeatRTT.Enabled(ctx) || i.strays.Enabled(ctx)
}

func (i instruments) observables() []metric.Observable {
	return []metric.Observable{
		i.status, i.activeRequests, i.messages, i.dropped, i.gaps, i.disconnects, i.resent, i.networkIO,
		i.tokenRemaining,
	}
}

// maker makes instruments and keeps the errors.
type maker struct {
	meter metric.Meter
	err   error
}

func (m *maker) seconds(name, description string, buckets []float64) metric.Float64Histogram {
	h, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(buckets...))
	m.err = errors.Join(m.err, err)
	return h
}

func (m *maker) counter(name, unit, description string) metric.Int64Counter {
	c, err := m.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.err = errors.Join(m.err, err)
	return c
}

func (m *maker) level(name, unit, description string) metric.Int64ObservableUpDownCounter {
	c, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.err = errors.Join(m.err, err)
	return c
}

func (m *maker) sum(name, unit, description string) metric.Int64ObservableCounter {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.err = errors.Join(m.err, err)
	return c
}

func (m *maker) gauge(name, unit, description string) metric.Float64ObservableGauge {
	g, err := m.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.err = errors.Join(m.err, err)
	return g
}
