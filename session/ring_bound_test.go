package session_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// TestRingHoldsAsMuchAsItMay and drops when a byte more comes.
func TestRingHoldsAsMuchAsItMay(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 100, 10)
	c := r.Channel("c")
	c.Push(1, []byte("fives"))
	c.Push(1, []byte("more5"))
	wantEntries(t, drain(t, r), "fives more5")
	c.Push(1, []byte("fives"))
	c.Push(1, []byte("sixsix"))
	wantEntries(t, drain(t, r), "overflow/1 sixsix")
}

// TestMarkersTakeNoBytes where there was a notification that was dropped.
func TestMarkersTakeNoBytes(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 2, 1000)
	c := r.Channel("c")
	for range 3 {
		c.Push(1, []byte("a notification"))
	}
	r.Gap(&session.GapError{Reason: session.GapReconnect})
	wantEntries(t, drain(t, r), "overflow/2 a notification reconnect/0")
	if entries, bytes, _ := r.Held(); entries != 0 || bytes != 0 {
		t.Errorf("the drained ring holds %d entries of %d bytes", entries, bytes)
	}
}
