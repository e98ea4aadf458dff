package session_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestOnce has the exchange refuse a call for want of authority: a call that is to be sent once fails with that, at once, while
// no credentials are to be had.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		if got := s.ClientID(); got != "g1" {
			t.Errorf("client id %q", got)
		}
		l.revoke()
		open := ring.shut()
		err := s.Call(session.Once(t.Context()), "private/buy", labelled("a"), nil)
		if refusal, ok := errors.AsType[*rpc.Error](err); !ok || refusal.Code != session.CodeUnauthorized {
			t.Errorf("got %v, want the refusal", err)
		}
		open()
		if err := s.Call(t.Context(), "private/buy", labelled("b"), nil); err != nil {
			t.Error(err)
		}
		if orders := l.orders(); len(orders) != 1 || orders["b"] != 1 {
			t.Errorf("executed %v", orders)
		}
	})
}
