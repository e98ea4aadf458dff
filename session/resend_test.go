package session_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// detour is an Observer that has the session leave its connection just before a refused call is sent again.
type detour struct {
	recorder
	leave func()
}

// Resent implements session.Observer.
func (d *detour) Resent(s *session.Session, method string) {
	d.recorder.Resent(s, method)
	if leave := d.leave; leave != nil {
		d.leave = nil
		leave()
	}
}

// TestRefusedAgainOverTheNextConnection has another connection take over as a refused call is about to be sent again, and refuse it too: one
// authentication of that connection is enough, however often the one before had been authenticated.
func TestRefusedAgainOverTheNextConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		around := &detour{}
		cfg := scripted(f)
		cfg.Observer = around
		s := dial(t, cfg)
		for range 10 {
			if err := s.Reauthenticate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		around.leave = func() {
			if err := s.Reconnect(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait() // the old connection has been left for good
		}
		before := len(l.authentications())
		err := s.Call(t.Context(), "private/buy", labelled("bad token"), nil)
		if !rpc.SafeToRetry(err) || f.count("private/buy") != 2 || s.Stats().Epoch != 2 {
			t.Errorf("%v after %d attempts over connection %d, want it refused", err, f.count("private/buy"), s.Stats().Epoch)
		}
		if n := len(l.authentications()) - before; n != 3 {
			t.Errorf("%d authentications, want one for the refusal, that of the next connection, and one for the second refusal", n)
		}
	})
}
