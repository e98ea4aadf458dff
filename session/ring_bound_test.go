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
