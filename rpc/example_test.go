package rpc_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-ws/holdfast/rpc"
)

// dialEcho connects to a server in memory that answers every request with its params. A program gets its Transport from
// a Dialer.
func dialEcho() rpc.Transport {
	p := newPeer()
	p.echo()
	return p
}

func ExampleCall() {
	conn := rpc.NewConn(dialEcho(), rpc.Config{})
	defer conn.Close()

	type instrument struct {
		Name string `json:"instrument_name"`
	}
	got, err := rpc.Call[instrument](context.Background(), conn, "public/echo", instrument{Name: "BTC-PERPETUAL"})
	fmt.Println(got.Name, err)
	// Output: BTC-PERPETUAL <nil>
}

func ExampleConn_Send() {
	conn := rpc.NewConn(dialEcho(), rpc.Config{})
	defer conn.Close()
	ctx := context.Background()

	var pending []*rpc.Pending
	for n := range 3 {
		p, err := conn.Send(ctx, "public/echo", []int{n})
		if err != nil {
			fmt.Println(err)
			return
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		var result [1]int
		if err := p.Wait(ctx, &result); err != nil {
			fmt.Println(err)
		}
		fmt.Println(result)
	}
	// Output:
	// [0]
	// [1]
	// [2]
}

func ExampleConn_CallRaw() {
	conn := rpc.NewConn(dialEcho(), rpc.Config{})
	defer conn.Close()

	buf := make([]byte, 0, 512) // used again for each call
	buf, err := conn.CallRaw(context.Background(), "public/echo", map[string]int{"depth": 5}, buf[:0])
	fmt.Println(string(buf), err)
	// Output: {"depth":5} <nil>
}

func ExampleSafeToRetry() {
	conn := rpc.NewConn(dialEcho(), rpc.Config{})
	conn.Close()

	err := conn.Call(context.Background(), "private/buy", nil, nil)
	if call, ok := errors.AsType[*rpc.CallError](err); ok {
		fmt.Println(call.Method, "was", call.Outcome)
	}
	fmt.Println("safe to retry:", rpc.SafeToRetry(err))

	err = &rpc.CallError{Method: "private/buy", Outcome: rpc.Unknown, Err: context.DeadlineExceeded}
	fmt.Println("safe to retry:", rpc.SafeToRetry(err))
	// Output:
	// private/buy was not sent
	// safe to retry: true
	// safe to retry: false
}
