package session_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClientIDOutlivesTheConnection: who asks whose session this is while it has no connection is told the key of the last one.
func TestClientIDOutlivesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		check := func(id string, generation uint64) {
			t.Helper()
			if s.ClientID() != id || s.Generation() != generation {
				t.Errorf("client id %q, generation %d, want %q, %d", s.ClientID(), s.Generation(), id, generation)
			}
		}
		check("g1", 1)
		open := ring.shut()
		f.last().close()
		<-time.After(time.Minute)
		check("g1", 0)
		ring.publish(2)
		open()
		<-time.After(time.Minute)
		check("g2", 2)
	})
}

// TestClientIDOfNobody: a session without credentials is of no key.
func TestClientIDOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := scripted(newFar(t, nil))
		cfg.Credentials = nil
		if s := dial(t, cfg); s.ClientID() != "" {
			t.Errorf("client id %q", s.ClientID())
		}
	})
}
