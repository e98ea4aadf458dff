package rpc_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

func TestCall(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{})

	got, err := rpc.Call[map[string]int](t.Context(), c, "public/echo", map[string]int{"a": 1})
	if err != nil || got["a"] != 1 {
		t.Fatalf("Call = %v, %v; want the params back", got, err)
	}
}

func TestManyCallersShareAConn(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{})

	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for n := range 100 {
				want := [2]int{caller, n}
				got, err := rpc.Call[[2]int](t.Context(), c, "public/echo", want)
				if err != nil || got != want {
					t.Errorf("Call = %v, %v; want %v", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Sent != 3200 || s.Received != 3200 || s.Pending != 0 {
		t.Errorf("Stats = %+v; want 3200 sent and received, none pending", s)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{})
	pending, err := c.Send(t.Context(), "private/buy", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	err = pending.Wait(t.Context(), nil)
	ce, ok := errors.AsType[*rpc.CallError](err)
	if !ok || ce.Outcome != rpc.Unknown || !errors.Is(err, rpc.ErrClosed) || ce.ID != pending.ID() {
		t.Errorf("Wait = %#v; want an unknown outcome for ErrClosed", err)
	}
	if <-c.Done(); !errors.Is(c.Err(), rpc.ErrClosed) {
		t.Errorf("Err = %v; want ErrClosed", c.Err())
	}
	if err := c.Call(t.Context(), "private/buy", nil, nil); !rpc.SafeToRetry(err) || !errors.Is(err, rpc.ErrClosed) {
		t.Errorf("Call after Close = %v; want not sent", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}

func TestContextEndsWhileWaiting(t *testing.T) {
	t.Parallel()
	p := newPeer()
	strays := make(chan rpc.Stray, 1)
	c := newConn(t, p, rpc.Config{OnStray: func(s rpc.Stray) { strays <- s }})
	ctx, cancel := context.WithCancel(t.Context())
	pending, err := c.Send(ctx, "private/buy", nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	err = pending.Wait(ctx, nil)
	ce, ok := errors.AsType[*rpc.CallError](err)
	if !ok || ce.Outcome != rpc.Unknown || ce.ErrorType() != "canceled" {
		t.Fatalf("Wait = %v; want unknown and canceled", err)
	}
	p.refuse(pending.ID(), 10009, "not_enough_funds")
	s := <-strays
	if s.Kind != rpc.StrayLate || s.Method != "private/buy" || s.Err == nil || s.Err.Code != 10009 {
		t.Errorf("stray = %+v; want the late refusal", s)
	}
}
