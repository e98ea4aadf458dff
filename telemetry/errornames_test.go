package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// errorTypes are errors and their names.
func errorTypes() []errorType {
	refusal := &rpc.Error{Code: 13004, Message: "invalid_credentials"}
	return []errorType{
		{refusal, "13004"},
		{&session.AuthError{Err: refusal}, "13004"},
		{&rotate.LockedOutError{Err: refusal}, "locked_out"},
		{&rotate.UnsavedError{Err: rotate.ErrConflict}, "unsaved"},
		{&rotate.UnknownOutcomeError{Err: context.DeadlineExceeded}, "unknown_outcome"},
		{&rotate.DegradedError{Err: refusal}, "degraded"},
		{&rotate.LeftoverKeyError{Err: &rotate.PreflightError{Err: refusal}}, "leftover_key"},
		{&rotate.KeyInUseError{}, "key_in_use"},
		{&rotate.LeaseHeldError{}, "lease_held"},
		{fmt.Errorf("store: %w", rotate.ErrLeaseLost), "lease_lost"},
		{&rotate.SecondFactorError{Err: refusal}, "second_factor"},
		{rotate.ErrNoSecondFactor, "second_factor"},
		{&rotate.HookError{Err: context.DeadlineExceeded}, "hook"},
		{&rotate.PreflightError{Err: refusal}, "preflight"},
		{&session.ClockSkewError{}, "clock_skew"},

		{session.ErrClosed, "session_closed"},
		{&rpc.CallError{Err: session.ErrNotReady}, "not_ready"},
		{&rpc.CallError{Outcome: rpc.NotSent, Err: fmt.Errorf("%w: 2s", session.ErrRateLimited)}, "rate_limited"},
		{fmt.Errorf("%w for 75s", session.ErrSilent), "silent"},
		{session.ErrNoCredentials, "no_credentials"},
		{session.ErrConfig, "config"},
		{rotate.ErrConfig, "config"},
		{&session.ScopeError{}, "scope"},
		{&session.SubscribeError{}, "refused"},
		{&session.SubscribeError{Err: refusal}, "13004"},
		{rotate.ErrClosed, "rotator_closed"},
		{rotate.ErrNotExecuted, "not_executed"},
		{rotate.ErrUnfinished, "unfinished"},
		{rotate.ErrMismatch, "mismatch"},
		{rotate.ErrReply, "unexpected_reply"},
		{rotate.ErrNotFound, "store_empty"},
		{rotate.ErrConflict, "store_conflict"},
		{rotate.ErrCorrupt, "store_corrupt"},
		{rotate.ErrStaleGeneration, "stale_generation"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},

		{rpc.ErrClosed, "session_closed"},
		{rpc.ErrWriteStalled, "write_failed"},
		{rpc.ErrTooManyPending, "too_many_pending"},
		{rpc.ErrDraining, "draining"},
		{rpc.ErrMessageTooBig, "message_too_big"},
		{rpc.ErrMalformed, "malformed"},
		{rpc.ErrDecode, "decode"},
		{rpc.ErrEncode, "encode"},
		{&rpc.HandshakeError{Status: 429}, "429"},
		{&rpc.HandshakeError{Err: errors.New("refused")}, "connection_failed"},
		{os.ErrDeadlineExceeded, "timeout"},
		{errors.New("whatever"), "_OTHER"},
	}
}

type errorType struct {
	err  error
	want string
}

func TestErrorType(t *testing.T) {
	t.Parallel()
	for _, tt := range errorTypes() {
		h := newHarness(t)
		call(t.Context(), h.Calls(t.Context(), connectStep(1)), "private/buy", rpc.CallEnd{Err: tt.err})
		attributes := attribute.NewSet(h.only(t).Attributes()...)
		if got, _ := attributes.Value("error.type"); got.AsString() != tt.want {
			t.Errorf("%v: error.type is %q, want %q", tt.err, got.AsString(), tt.want)
		}
	}
}
