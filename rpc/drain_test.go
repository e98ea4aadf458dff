package rpc_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// controls is a Config in which public/test alone is in the control lane.
var controls = rpc.Config{Lane: func(method string) rpc.Lane {
	if method == "public/test" {
		return rpc.LaneControl
	}
	return rpc.LaneRead
}}

// TestDrainWaitsForCalls has two calls under way: one is answered, one leaves. Only then all have their outcome.
func TestDrainWaitsForCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		c := rpc.NewConn(p, controls)
		defer c.Close()
		answered := callAsync(t.Context(), c, "private/buy", nil)
		left := callAsync(second(t.Context()), c, "private/buy", nil)
		drained := make(chan error, 1)
		go func() { drained <- c.Drain(t.Context()) }()
		synctest.Wait()
		if err := c.Call(t.Context(), "private/buy", nil, nil); !errors.Is(err, rpc.ErrDraining) || !rpc.SafeToRetry(err) {
			t.Errorf("a further call: %v", err)
		}
		p.answer((<-p.requests).ID, `"ok"`)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(drained) > 0 {
			t.Error("drained under a call")
		}
		if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		<-p.requests
		control := callAsync(t.Context(), c, "public/test", nil)
		p.answer((<-p.requests).ID, `"ok"`)
		if err := <-control; err != nil {
			t.Errorf("a call of the control lane: %v", err)
		}
	})
}

// TestDrainEnds with ctx, and with the connection.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		c := rpc.NewConn(p, controls)
		call := callAsync(t.Context(), c, "private/buy", nil)
		start := time.Now()
		if err := c.Drain(second(t.Context())); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want ctx's error after a second", err, time.Since(start))
		}
		drained := make(chan error, 1)
		go func() { drained <- c.Drain(t.Context()) }()
		synctest.Wait()
		c.Close()
		if err := <-drained; !errors.Is(err, rpc.ErrClosed) {
			t.Errorf("Drain = %v, want why the connection has ended", err)
		}
		if err := <-call; !errors.Is(err, rpc.ErrClosed) {
			t.Error(err)
		}
		if err := c.Drain(t.Context()); !errors.Is(err, rpc.ErrClosed) { // that call has no outcome that anybody knows
			t.Errorf("Drain after the end = %v, want why the connection has ended", err)
		}
	})
}

// TestControlHasRoomInAFullTable: an exchange that answers nothing keeps no heartbeat answer, authentication or cancel from leaving,
// as far as what is pending is bounded all the same.
func TestControlHasRoomInAFullTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		c := newConn(t, p, rpc.Config{MaxPending: 1, Lane: func(method string) rpc.Lane {
			switch method {
			case "public/test":
				return rpc.LaneControl
			case "private/cancel":
				return rpc.LaneCancel
			}
			return rpc.LaneOrder
		}})
		const reserve = 64
		for n := range reserve + 2 {
			method := []string{"public/test", "private/cancel"}[n%2]
			if n == 0 {
				method = "private/buy"
			}
			_, err := c.Send(t.Context(), method, nil)
			if isFull := errors.Is(err, rpc.ErrTooManyPending); isFull != (n > reserve) {
				t.Errorf("call %d, %s: %v", n, method, err)
			}
			if err == nil {
				<-p.requests
			}
		}
		if _, err := c.Send(t.Context(), "private/buy", nil); !errors.Is(err, rpc.ErrTooManyPending) {
			t.Errorf("another order: %v, want ErrTooManyPending", err)
		}
	})
}
