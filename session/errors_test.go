package session_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestErrorTexts checks that each error names the thing, says what to do, and leads to its cause.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	refusal := &rpc.Error{Code: 13004, Message: "invalid_credentials", Data: []byte(`{"secret":"` + "hush" + `"}`)}
	for _, c := range []struct {
		err   error
		cause error
		want  string
	}{
		{
			&session.AuthError{ClientID: "id", Generation: 2, Err: refusal, Hint: "ask the owner"}, refusal,
			"session: authentication of id (generation 2): rpc: server refused: invalid_credentials (code 13004): ask the owner",
		},
		{&session.AuthError{ClientID: "id", Err: io.EOF}, io.EOF, "session: authentication of id (generation 0): EOF"},
		{
			&session.ScopeError{Asked: "a b", Granted: "a", Missing: []string{"b"}}, nil,
			`session: scope: asked for "a b", granted "a": the key lacks [b]: widen the key's scope or ask for less`,
		},
		{
			&session.SubscribeError{Refused: []string{"x"}}, nil,
			"session: subscribe: the exchange did not accept [x]: check the names and the scope",
		},
		{&session.SubscribeError{Refused: []string{"x"}, Err: io.EOF}, io.EOF, "session: subscribe [x]: EOF"},
		{&session.GapError{Reason: session.GapReconnect}, nil, "session: gap (reconnect): notifications may be missing"},
		{&session.GapError{Reason: session.GapOverflow, Missed: 3}, nil, "session: gap (overflow): 3 notifications missed"},
		{
			&session.ClockSkewError{Skew: 90 * time.Second, Err: refusal}, refusal,
			`session: this machine's clock is 1m30s ahead of the exchange's, and a signature is valid for 60 s: set the clock ` +
				`("rpc: server refused: invalid_credentials (code 13004)")`,
		},
		{
			&session.ClockSkewError{Skew: -90 * time.Second, Err: refusal}, refusal,
			`session: this machine's clock is 1m30s behind the exchange's, and a signature is valid for 60 s: set the clock ` +
				`("rpc: server refused: invalid_credentials (code 13004)")`,
		},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%T: %q, want %q", c.err, got, c.want)
		}
		if c.cause != nil && !errors.Is(c.err, c.cause) {
			t.Errorf("%T does not lead to %v", c.err, c.cause)
		}
		if strings.Contains(c.err.Error(), "hush") {
			t.Errorf("%T quotes the exchange's data", c.err)
		}
	}
}
