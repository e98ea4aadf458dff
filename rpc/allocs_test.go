//go:build !race

package rpc_test

import (
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// The race detector makes pools forget at random, so what a call allocates is counted without it.

func TestCallsDoNotAllocate(t *testing.T) {
	c := newConn(t, newMirror(), rpc.Config{})
	var dst []byte
	call := func() {
		var err error
		if dst, err = c.CallRaw(t.Context(), "private/buy", order{}, dst[:0]); err != nil {
			t.Fatal(err)
		}
	}
	call()
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("a CallRaw allocates %v times", n)
	}
}

// TestSentCallsHardlyAllocate: a Pending is not used twice, so that a second wait can be told; they come 64 at a time.
func TestSentCallsHardlyAllocate(t *testing.T) {
	c := newConn(t, newMirror(), rpc.Config{})
	const depth = 64
	var sent [depth]*rpc.Pending
	var dst []byte
	calls := func() {
		var err error
		for i := range sent {
			if sent[i], err = c.Send(t.Context(), "private/buy", order{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range sent {
			if dst, err = p.WaitRaw(t.Context(), dst[:0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls()
	if n := testing.AllocsPerRun(100, calls); n > 1 {
		t.Errorf("%d calls allocate %v times, want once", depth, n)
	}
}
