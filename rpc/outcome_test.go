package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// second is ctx for a call that gives up after a second.
func second(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// callAsync makes a call on a goroutine of its own and returns once it waits for something.
func callAsync(ctx context.Context, c *rpc.Conn, method string, params any) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- c.Call(ctx, method, params, nil) }()
	synctest.Wait()
	return ended
}

// outcome is what a call's error says.
type outcome struct {
	is     error // nil for none
	kind   string
	sent   rpc.Outcome
	noCall bool // not a *CallError
	safe   bool
}

// outcomes are the fault points of a call, in the order in which a call passes them.
var outcomes = []struct {
	name string
	cfg  rpc.Config
	call func(ctx context.Context, p *peer, c *rpc.Conn) error
	want outcome
}{
	{
		name: "context has ended before",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: context.Canceled, kind: "canceled", sent: rpc.NotSent, safe: true},
	}, {
		name: "params do not encode",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			return c.Call(ctx, "private/buy", make(chan int), nil)
		},
		want: outcome{is: rpc.ErrEncode, kind: "encode", sent: rpc.NotSent, safe: true},
	}, {
		name: "connection has ended before",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			c.Close()
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: rpc.ErrClosed, kind: "session_closed", sent: rpc.NotSent, safe: true},
	}, {
		name: "too many pending",
		cfg:  rpc.Config{MaxPending: 1},
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			callAsync(ctx, c, "private/buy", nil)
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: rpc.ErrTooManyPending, kind: "too_many_pending", sent: rpc.NotSent, safe: true},
	}, {
		name: "connection is being left",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			if err := c.Drain(ctx); err != nil {
				return err
			}
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: rpc.ErrDraining, kind: "draining", sent: rpc.NotSent, safe: true},
	}, {
		name: "request too big",
		cfg:  rpc.Config{MaxRequest: 64},
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			return c.Call(ctx, "private/buy", []int{1000000, 1000000}, nil)
		},
		want: outcome{is: rpc.ErrMessageTooBig, kind: "message_too_big", sent: rpc.NotSent, safe: true},
	}, {
		name: "context ends in the queue",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.hold()
			callAsync(ctx, c, "private/sell", nil)
			return c.Call(second(ctx), "private/buy", nil, nil)
		},
		want: outcome{is: context.DeadlineExceeded, kind: "timeout", sent: rpc.NotSent, safe: true},
	}, {
		name: "connection is lost in the queue",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.hold()
			callAsync(ctx, c, "private/sell", nil)
			ended := callAsync(ctx, c, "private/buy", nil)
			p.lost <- io.ErrUnexpectedEOF
			return <-ended
		},
		want: outcome{is: io.ErrUnexpectedEOF, kind: "connection_lost", sent: rpc.NotSent, safe: true},
	}, {
		name: "write fails",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.onWrite = func([][]byte) error { return io.ErrShortWrite }
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: io.ErrShortWrite, kind: "write_failed", sent: rpc.Unknown},
	}, {
		name: "write stalls",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.hold()
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: rpc.ErrWriteStalled, kind: "write_failed", sent: rpc.Unknown},
	}, {
		name: "queue behind a write that stalls",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.hold()
			callAsync(ctx, c, "private/sell", nil)
			return c.Call(ctx, "private/buy", nil, nil)
		},
		want: outcome{is: rpc.ErrWriteStalled, kind: "write_failed", sent: rpc.NotSent, safe: true},
	}, {
		name: "context ends before the answer",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			return c.Call(second(ctx), "private/buy", nil, nil)
		},
		want: outcome{is: context.DeadlineExceeded, kind: "timeout", sent: rpc.Unknown},
	}, {
		name: "connection is lost before the answer",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.lost <- io.ErrUnexpectedEOF
			return <-ended
		},
		want: outcome{is: io.ErrUnexpectedEOF, kind: "connection_lost", sent: rpc.Unknown},
	}, {
		name: "connection is closed by the peer before the answer",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.lost <- fmt.Errorf("websocket: read: %w", errGoingAway)
			return <-ended
		},
		want: outcome{is: errGoingAway, kind: "close_1001", sent: rpc.Unknown},
	}, {
		name: "an answer that is too big",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.lost <- fmt.Errorf("websocket: read: %w", rpc.ErrMessageTooBig)
			return <-ended
		},
		want: outcome{is: rpc.ErrMessageTooBig, kind: "message_too_big", sent: rpc.Unknown},
	}, {
		name: "garbage instead of the answer",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.send("<html>")
			return <-ended
		},
		want: outcome{is: rpc.ErrMalformed, kind: "malformed", sent: rpc.Unknown},
	}, {
		name: "close before the answer",
		call: func(ctx context.Context, _ *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			c.Close()
			return <-ended
		},
		want: outcome{is: rpc.ErrClosed, kind: "session_closed", sent: rpc.Unknown},
	}, {
		name: "result does not decode",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.echo()
			return c.Call(ctx, "private/buy", nil, new(int))
		},
		want: outcome{is: rpc.ErrDecode, kind: "decode", noCall: true},
	}, {
		name: "result refuses itself with an error that looks like a refusal before execution",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			p.echo()
			return c.Call(ctx, "private/buy", nil, new(fussy))
		},
		want: outcome{is: rpc.ErrDecode, kind: "decode", noCall: true},
	}, {
		name: "refused after it may have been executed",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.refuse((<-p.requests).ID, -32603, "internal error")
			return <-ended
		},
		want: outcome{kind: "-32603", noCall: true},
	}, {
		name: "refused before it was executed",
		call: func(ctx context.Context, p *peer, c *rpc.Conn) error {
			ended := callAsync(ctx, c, "private/buy", nil)
			p.refuse((<-p.requests).ID, -32602, "Invalid params")
			return <-ended
		},
		want: outcome{kind: "-32602", noCall: true, safe: true},
	},
}

// fussy is a result that takes part of itself for a refusal.
type fussy struct{}

func (*fussy) UnmarshalJSON([]byte) error { return &rpc.Error{Code: -32602, Message: "Invalid params"} }

// namedError is a transport's failure that has a name of its own.
type namedError string

func (e namedError) Error() string     { return "closed by peer: " + string(e) }
func (e namedError) ErrorType() string { return string(e) }

const errGoingAway = namedError("close_1001")

// Asks: ccxt#15338, binance-connector-python#337, binance-connector-rust#26, trading-gpt#94, trading-signals#1178,
// binance-java-api#55, bitfinex-api-node#247, lotus#1155.
func TestI2HonestOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range outcomes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPeer()
				err := tt.call(t.Context(), p, newConn(t, p, tt.cfg))
				checkOutcome(t, err, tt.want)
			})
		})
	}
}

func checkOutcome(t *testing.T, err error, want outcome) {
	t.Helper()
	if want.is != nil && !errors.Is(err, want.is) {
		t.Errorf("error is %v; want %v", err, want.is)
	}
	typed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err)
	if !ok || typed.ErrorType() != want.kind {
		t.Errorf("ErrorType of %v is not %s", err, want.kind)
	}
	if safe := rpc.SafeToRetry(err); safe != want.safe {
		t.Errorf("SafeToRetry(%v) = %t", err, safe)
	}
	ce, ok := errors.AsType[*rpc.CallError](err)
	switch {
	case ok == want.noCall:
		t.Errorf("%v is a *CallError: %t", err, ok)
	case ok && (ce.Outcome != want.sent || ce.Method != "private/buy"):
		t.Errorf("outcome of %s is %s; want %s", ce.Method, ce.Outcome, want.sent)
	}
}

// TestI1OneOutcome has the answer and the end of the context race.
func TestI1OneOutcome(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{Handler: p.handle})
	answered := uint64(0)
	const calls = 500
	for n := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		pending, err := c.Send(ctx, "public/echo", []int{n})
		if err != nil {
			t.Fatal(err)
		}
		go cancel()
		var got []int
		err = pending.Wait(ctx, &got)
		ce, unanswered := errors.AsType[*rpc.CallError](err)
		switch {
		case err == nil && len(got) == 1 && got[0] == n:
			answered++
		case unanswered && ce.Outcome == rpc.Unknown && ce.ID == pending.ID() && got == nil:
		default:
			t.Fatalf("Wait = %v, %v; want the result or an unknown outcome", got, err)
		}
		cancel()
	}
	p.barrier()
	s := c.Stats()
	if late := s.Strays[rpc.StrayLate]; answered+late != calls || s.Pending != 0 {
		t.Errorf("%d answered and %d late of %d; %d pending", answered, late, calls, s.Pending)
	}
}

func TestI3NoStaleSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{})
		first := callAsync(t.Context(), c, "private/sell", nil)
		queued := callAsync(t.Context(), c, "private/buy", nil)
		p.lost <- io.EOF
		if err := <-queued; !rpc.SafeToRetry(err) {
			t.Errorf("queued call: %v; want not sent", err)
		}
		if err := <-first; rpc.SafeToRetry(err) || err == nil {
			t.Errorf("call that was being written: %v; want unknown", err)
		}
		synctest.Wait()
		if batches := len(p.held); batches != 1 {
			t.Errorf("%d batches reached the transport; want the first alone", batches)
		}
	})
}
