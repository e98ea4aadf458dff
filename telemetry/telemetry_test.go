package telemetry_test

import (
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/telemetry"
)

// Without any provider there is nothing to report to, and nothing goes wrong.
func TestGlobalProviders(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New()
	if err != nil {
		t.Fatal(err)
	}
	_, ended := tel.StepStart(t.Context(), connectStep(1))
	ended(session.StepEnd{})
	if calls := tel.Calls(t.Context(), connectStep(1)); calls != nil {
		t.Errorf("calls are observed by %T without a provider", calls)
	}
	if err := tel.Close(); err != nil {
		t.Error(err)
	}
}

// refusing is a meter provider that refuses an instrument.
type refusing struct{ noop.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noop.Meter }

var errRefused = errors.New("refused")

func (refusingMeter) Int64ObservableCounter(string, ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return noop.Int64ObservableCounter{}, errRefused
}

func TestNewTellsWhatTheProviderRefused(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.New(telemetry.WithMeterProvider(refusing{})); !errors.Is(err, errRefused) {
		t.Errorf("New returned %v, want %v", err, errRefused)
	}
}

// After Close a reader finds no counters, and a second Close does no harm.
func TestClose(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if _, reported := h.metrics(t)["holdfast.session.status"]; !reported {
		t.Fatal("no counters before Close")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, reported := h.metrics(t)["holdfast.session.status"]; reported {
		t.Error("counters after Close")
	}
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	observeAll(t, h, rpc.ErrClosed)
	h.Gap(nil, &session.GapError{Reason: session.GapReconnect})
	h.Resent(nil, "private/buy")
	call(t.Context(), h.Calls(t.Context(), connectStep(1)), "public/test", rpc.CallEnd{})
	var names []string
	for name, m := range h.metrics(t) {
		if m.Description == "" {
			t.Errorf("%s has no description", name)
		}
		names = append(names, name+" "+m.Unit)
	}
	slices.Sort(names)
	// Those of channels and tokens need a session: see TestNotifications and TestTokenRemaining.
	want := []string{
		"holdfast.credentials.rotation.duration s",
		"holdfast.heartbeat.rtt s",
		"holdfast.network.io By",
		"holdfast.session.active_requests {request}",
		"holdfast.session.connect.duration s",
		"holdfast.session.disconnects {disconnect}",
		"holdfast.session.resent {request}",
		"holdfast.session.status 1",
		"holdfast.session.strays {frame}",
		"holdfast.subscription.gaps {gap}",
		"rpc.client.call.duration s",
	}
	if !slices.Equal(names, want) {
		t.Errorf("metrics are\n%q, want\n%q", names, want)
	}
}
