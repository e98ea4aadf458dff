package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		text string
		kind string
	}{
		{
			&rpc.Error{Code: 10009, Message: "not_enough_funds", Data: []byte(`"private"`)},
			"rpc: server refused: not_enough_funds (code 10009)", "10009",
		},
		{
			&rpc.CallError{Method: "private/buy", ID: 7, Err: rpc.ErrClosed},
			"rpc: private/buy: unknown: rpc: connection closed", "session_closed",
		},
		{
			&rpc.CallError{Method: "private/buy", Outcome: rpc.NotSent, Err: context.DeadlineExceeded},
			"rpc: private/buy: not sent: context deadline exceeded", "timeout",
		},
		{&rpc.CallError{Method: "m", Err: context.Canceled}, "rpc: m: unknown: context canceled", "canceled"},
		{&rpc.CallError{Method: "m", Err: io.EOF}, "rpc: m: unknown: EOF", "_OTHER"},
		{
			&rpc.HandshakeError{URL: "wss://x/ws", Status: 503, Err: io.EOF},
			"rpc: handshake with wss://x/ws: HTTP status 503: EOF", "503",
		},
		{&rpc.HandshakeError{URL: "wss://x/ws", Err: io.EOF}, "rpc: handshake with wss://x/ws: EOF", "connection_failed"},
		{
			&rpc.HandshakeError{URL: "wss://x/ws", Err: context.DeadlineExceeded},
			"rpc: handshake with wss://x/ws: context deadline exceeded", "timeout",
		},
	} {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("text %q; want %q", got, tt.text)
		}
		if typed, ok := tt.err.(interface{ ErrorType() string }); !ok || typed.ErrorType() != tt.kind {
			t.Errorf("%v: ErrorType is not %s", tt.err, tt.kind)
		}
		if inner := errors.Unwrap(tt.err); inner != nil && !errors.Is(tt.err, inner) {
			t.Errorf("%v does not unwrap", tt.err)
		}
	}
}

func TestSafeToRetry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false},
		{rpc.ErrClosed, false},
		{&rpc.CallError{}, false},
		{&rpc.CallError{Outcome: rpc.NotSent}, true},
		{fmt.Errorf("placing: %w", &rpc.CallError{Outcome: rpc.NotSent}), true},
		{&rpc.Error{Code: rpc.CodeInvalidParams}, true},
		{&rpc.Error{Code: rpc.CodeMethodNotFound}, true},
		{&rpc.Error{Code: rpc.CodeInvalidRequest}, true},
		{&rpc.Error{Code: rpc.CodeParse}, true},
		{&rpc.Error{Code: rpc.CodeInternal}, false},
		{&rpc.Error{Code: 10009}, false},
		{fmt.Errorf("%w: no", rpc.ErrDecode), false},
	} {
		if got := rpc.SafeToRetry(tt.err); got != tt.want {
			t.Errorf("SafeToRetry(%v) = %t", tt.err, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value fmt.Stringer
		want  string
	}{
		{rpc.Unknown, "unknown"},
		{rpc.NotSent, "not sent"},
		{rpc.Outcome(9), "Outcome(9)"},
		{rpc.ClassPermanent, "permanent"},
		{rpc.ClassRetry, "retry"},
		{rpc.ClassReauthenticate, "reauthenticate"},
		{rpc.ClassStop, "stop"},
		{rpc.Class(9), "Class(9)"},
	} {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("String = %q; want %q", got, tt.want)
		}
	}
}
