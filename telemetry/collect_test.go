package telemetry_test

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	trades = "trades.BTC-PERPETUAL.100ms"
	book   = "book.BTC-PERPETUAL.100ms"
)

func dial(t *testing.T, h *harness, x *exchange) *session.Session {
	t.Helper()
	s, err := session.Dial(t.Context(), session.Config{
		URL: session.TestURL, Dialer: x, Name: "md", Heartbeat: -1, Observer: h,
		Credentials: session.Credentials{ClientID: "id", Secret: session.NewSecret([]byte("hunter2")), Generation: 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeSession(t *testing.T, s *session.Session) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		states := func() map[string]int64 { return sums(t, h.metrics(t)["holdfast.session.status"]) }
		const state = "holdfast.session.state="
		if got := states(); got[state+"ready"] != 0 {
			t.Errorf("%d sessions ready before there is one", got[state+"ready"])
		}
		first, second := dial(t, h, &exchange{}), dial(t, h, &exchange{})
		got := states()
		wantKeys(t, "states", got,
			state+"connecting", state+"authenticating", state+"resuming", state+"ready", state+"maintenance", state+"backoff")
		if got[state+"ready"] != 2 || got[state+"connecting"] != 0 {
			t.Errorf("states are %v, want two sessions ready", got)
		}
		closeSession(t, first)
		if got := states(); got[state+"ready"] != 1 {
			t.Errorf("states are %v, want one session ready", got)
		}
		closeSession(t, second)
		if got := states(); got[state+"ready"] != 0 {
			t.Errorf("states are %v, want none ready", got)
		}
	})
}

func TestActiveRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		s := dial(t, h, &exchange{})
		defer closeSession(t, s)
		if _, err := s.Send(t.Context(), "private/get_positions", nil); err != nil {
			t.Fatal(err)
		}
		m := h.metrics(t)["holdfast.session.active_requests"]
		if got := sums(t, m); got[""] != 1 || m.Unit != "{request}" {
			t.Errorf("%v in %s, want 1 {request}", got, m.Unit)
		}
	})
}

func TestTokenRemaining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		if _, reported := h.metrics(t)["holdfast.credentials.token.remaining"]; reported {
			t.Error("reported without a token")
		}
		s := dial(t, h, &exchange{})
		defer closeSession(t, s)
		m := h.metrics(t)["holdfast.credentials.token.remaining"]
		gauge, ok := m.Data.(metricdata.Gauge[float64])
		if !ok || len(gauge.DataPoints) != 1 {
			t.Fatalf("reported as %+v", m.Data)
		}
		if got := gauge.DataPoints[0].Value; got != 900 || m.Unit != "s" {
			t.Errorf("%v %s, want 900 s", got, m.Unit)
		}
	})
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, x := newHarness(t), &exchange{}
		s := dial(t, h, x)
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{Buffer: 2}, trades); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, book); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			x.push(trades, `[]`)
		}
		x.push(book, `{"type":"snapshot","change_id":1}`)
		x.push(book, `{"type":"change","change_id":2,"prev_change_id":1}`)
		x.push(book, `{"type":"change","change_id":9,"prev_change_id":8}`)
		synctest.Wait()
		wantNotifications(t, h)

		x.cut()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		m := h.metrics(t)
		if got := sums(t, m["holdfast.subscription.gaps"])["holdfast.gap.reason=reconnect"]; got != 2 {
			t.Errorf("%d gaps by reconnect, want one per subscription", got)
		}
		disconnects := sums(t, m["holdfast.session.disconnects"])
		wantKeys(t, "disconnects", disconnects, "error.type=connection_lost")

		before := sums(t, m["holdfast.subscription.messages"])
		closeSession(t, s)
		if after := sums(t, h.metrics(t)["holdfast.subscription.messages"]); !maps.Equal(before, after) {
			t.Errorf("the session's end changed what was counted from %v to %v", before, after)
		}
	})
}

func wantNotifications(t *testing.T, h *harness) {
	t.Helper()
	m := h.metrics(t)
	for _, want := range []struct {
		metric, unit, attributes string
		value                    int64
	}{
		{"messages", "{message}", "holdfast.channel.kind=trades", 5},
		{"messages", "{message}", "holdfast.channel.kind=book", 3},
		{"dropped", "{message}", "holdfast.channel.kind=trades holdfast.gap.reason=overflow", 3},
		{"gaps", "{gap}", "holdfast.channel.kind=book holdfast.gap.reason=sequence", 1},
	} {
		metric := m["holdfast.subscription."+want.metric]
		if got, ok := sums(t, metric)[want.attributes]; !ok || got != want.value || metric.Unit != want.unit {
			t.Errorf("%s{%s} = %d %s, want %d %s", want.metric, want.attributes, got, metric.Unit, want.value, want.unit)
		}
	}
}

func TestNetworkIO(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, x := newHarness(t), &exchange{}
		s := dial(t, h, x)
		wantTraffic(t, h, x)
		x.cut()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantTraffic(t, h, x)
		before := ioSums(t, h)
		closeSession(t, s)
		for direction, n := range ioSums(t, h) {
			if n < before[direction] {
				t.Errorf("%s fell from %d to %d when the session ended", direction, before[direction], n)
			}
		}
	})
}

func ioSums(t *testing.T, h *harness) map[string]int64 {
	t.Helper()
	return sums(t, h.metrics(t)["holdfast.network.io"])
}

func wantTraffic(t *testing.T, h *harness, x *exchange) {
	t.Helper()
	sent, received := x.traffic()
	got := ioSums(t, h)
	wantText(t, "traffic", fmt.Sprint(got["network.io.direction=transmit"], got["network.io.direction=receive"]),
		fmt.Sprint(sent, received))
}

// What a real session does, from Dial to Close, in spans.
func TestSpansOfASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		s := dial(t, h, &exchange{})
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, trades); err != nil {
			t.Fatal(err)
		}
		if _, err := rpc.Call[string](t.Context(), s, "private/buy", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeSession(t, s)
		names := map[string]int{}
		for _, span := range h.spans.Ended() {
			names[span.Name()]++
		}
		for _, want := range []string{
			"session.connect", "session.dial", "session.authenticate", "session.resume", "session.subscribe",
			"session.reauthenticate", "public/auth", "public/subscribe", "private/buy",
		} {
			if names[want] == 0 {
				t.Errorf("no span %s among %v", want, names)
			}
		}
		if started, ended := len(h.spans.Started()), len(h.spans.Ended()); started != ended {
			t.Errorf("%d spans started, %d ended", started, ended)
		}
	})
}
