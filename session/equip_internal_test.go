package session

import (
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestFirstOfAsksWhoIsReady: what became of a session that was not ready, as one that has ended, is not what Subscribe returns.
func TestFirstOfAsksWhoIsReady(t *testing.T) {
	t.Parallel()
	answers := make(chan answer, 2)
	answers <- answer{nil, &AuthError{Err: &rpc.Error{Code: CodeInvalidCredentials}}, false}
	answers <- answer{[]string{"misspelt"}, nil, true}
	err := firstOf(t.Context(), []string{"misspelt", "ok"}, answers, 1)
	refusal, isRefused := errors.AsType[*SubscribeError](err)
	if !isRefused || !slices.Equal(refusal.Refused, []string{"misspelt"}) {
		t.Errorf("error: %v", err)
	}
}
