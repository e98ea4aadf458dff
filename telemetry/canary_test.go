package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// canaries are secrets as the exchange makes them: a client secret and a token.
var canaries = []string{
	"B3Zq0kXy7-hPV1nCw5aLrT8uEJd2sFgM9oQiKb4tYRc",
	"1582628593469.1MbQ-J_4.CBP-OqOwm_FBdMYj4cRK2dMXyHPfBtXGpzLxhWg31nHu3H_Q60FpE5_vqUBEQGSiMrIGzw3nC37NMb9d1tpBNqBOM",
}

// canaryErrors quote a secret in every way in which an error can.
func canaryErrors(canary string) []error {
	refusal := &rpc.Error{Code: 13004, Message: "invalid " + canary, Data: []byte(`{"secret":"` + canary + `"}`)}
	plain := errors.New(canary)
	return []error{
		plain, refusal, namedError(canary),
		fmt.Errorf("%s: %w", canary, context.DeadlineExceeded),
		&rpc.CallError{Method: canary, Err: plain},
		&rpc.HandshakeError{URL: canary, Err: plain},
		&rpc.HandshakeError{URL: canary, Status: 401, Err: plain},
		&session.AuthError{ClientID: canary, Err: refusal, Hint: canary},
		&session.AuthError{ClientID: canary, Err: plain},
		&session.ScopeError{Asked: canary, Granted: canary, Missing: []string{canary}},
		&session.SubscribeError{Refused: []string{canary}, Err: plain},
		&rotate.LockedOutError{ClientID: canary, Err: refusal},
		&rotate.UnsavedError{Key: rotate.APIKey{ClientID: canary}, Err: plain},
		&rotate.HookError{Hook: canary, Err: plain},
		&rotate.SecondFactorError{Reason: canary, Err: refusal},
		&rotate.PreflightError{Check: canary, Err: plain},
		fmt.Errorf("%w: %s", rpc.ErrDecode, canary),
		fmt.Errorf("%w: %s", session.ErrConfig, canary),
	}
}

// namedError abuses the name of its type.
type namedError string

func (e namedError) Error() string     { return string(e) }
func (e namedError) ErrorType() string { return string(e) }

// I10: no secret in any span or metric, whatever the errors quote.
func TestI10NoSecretInTelemetry(t *testing.T) {
	t.Parallel()
	for _, canary := range canaries {
		h := newHarness(t)
		for _, err := range canaryErrors(canary) {
			observeAll(t, h, err)
		}
		wantNone(t, h, canary)
	}
}

func observeAll(t *testing.T, h *harness, err error) {
	t.Helper()
	url := "wss://user:" + canaries[0] + "@www.deribit.com/" + canaries[0] + "?token=" + canaries[1]
	calls := h.Calls(t.Context(), session.Step{URL: url})
	call(t.Context(), calls, "private/buy", rpc.CallEnd{Err: err})
	refusal, _ := errors.AsType[*rpc.Error](err)
	calls.Stray(rpc.Stray{Kind: rpc.StrayError, Err: refusal})
	for _, kind := range []session.StepKind{
		session.StepConnect, session.StepDial, session.StepAuthenticate, session.StepResume, session.StepSubscribe,
		session.StepReauthenticate,
	} {
		_, ended := h.StepStart(t.Context(), session.Step{Kind: kind, URL: url})
		ended(session.StepEnd{Err: err})
	}
	h.StateChanged(nil, session.Ready, session.Backoff, err)
	ctx, rotated := h.RotationStart(t.Context(), rotate.Rotation{ID: "r1", Trigger: rotate.TriggerRotate})
	_, stored := h.RotationStep(ctx, rotate.Step{Kind: rotate.StepStore})
	stored(err)
	rotated(rotate.RotationEnd{Err: err, Report: rotate.Report{Err: err.Error()}})
}

// I10, with a session that has secrets and tokens of its own and a connection whose end quotes one.
func TestI10NoSecretOfASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, x := newHarness(t), &exchange{}
		s := dial(t, h, x)
		x.cut()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeSession(t, s)
		wantNone(t, h, "hunter2")
	})
}

// wantNone searches everything that was exported.
func wantNone(t *testing.T, h *harness, canary string) {
	t.Helper()
	spans := h.spans.Ended()
	if len(spans) == 0 {
		t.Fatal("no spans to search")
	}
	for _, span := range spans {
		all := fmt.Sprintf("%s %s %+v %+v %+v %+v", span.Name(), text(span.Attributes()), span.Status(), span.Events(), span.Links(),
			span.InstrumentationScope())
		if strings.Contains(all, canary) {
			t.Errorf("a secret in a span: %s", all)
		}
	}
	for _, m := range h.metrics(t) {
		for _, attributes := range series(m) {
			if strings.Contains(m.Name+m.Description+attributes, canary) {
				t.Errorf("a secret in a metric: %s{%s}", m.Name, attributes)
			}
		}
	}
}

// series are the attributes of all points of a metric, as text.
func series(m metricdata.Metrics) []string {
	var all []string
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, point := range data.DataPoints {
			all = append(all, text(point.Attributes.ToSlice()))
		}
	case metricdata.Histogram[float64]:
		for _, point := range data.DataPoints {
			all = append(all, text(point.Attributes.ToSlice()))
		}
	case metricdata.Gauge[float64]:
		for _, point := range data.DataPoints {
			all = append(all, text(point.Attributes.ToSlice()))
		}
	}
	return all
}
