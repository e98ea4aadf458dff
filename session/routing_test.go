package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// TestOnlyStringsRoute, and escapes are not taken for what they stand for, nor for themselves.
func TestOnlyStringsRoute(t *testing.T) {
	t.Parallel()
	r := session.NewRegistry()
	for _, name := range []string{"ticker.A", `a\u002eb`} {
		r.Tap(name, func(n session.Notification) { t.Errorf("went to %s", n.Channel) })
	}
	for _, params := range []string{
		`{"channel":["ticker.A"],"data":1}`,
		`{"channel":[ticker.A],"data":1}`, // no JSON, but brackets that match
		`{"channel":{ticker.A},"data":1}`,
		`{"channel":"a\u002eb","data":1}`,
	} {
		r.Deliver(1, params)
	}
}
