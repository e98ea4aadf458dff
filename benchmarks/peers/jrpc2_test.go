package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"
)

// dialJRPC2 connects creachadair/jrpc2 over coder/websocket: it brings no WebSocket of its own.
func dialJRPC2(tb testing.TB, url string) client {
	tb.Helper()
	ctx := tb.Context()
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	c := jrpc2.NewClient(&coderChannel{ws: ws, ctx: context.WithoutCancel(ctx)}, nil)
	tb.Cleanup(func() { _ = c.Close() }) // says how the connection ended, if it ended before
	call := func(params, result any) error {
		rsp, err := c.Call(ctx, method, params)
		if err != nil {
			return err
		}
		return rsp.UnmarshalResult(result)
	}
	return client{
		raw:   func(result *json.RawMessage) error { return call(rawParams, result) },
		typed: func(result *placed) error { return call(typedParams, result) },
	}
}

// coderChannel is a channel.Channel of whole messages. Its context cannot end: with one that could, the library
// would pay a watch on every read and write.
type coderChannel struct {
	ws  *websocket.Conn
	ctx context.Context
	buf bytes.Buffer
}

// Send writes one message.
func (c *coderChannel) Send(msg []byte) error {
	return c.ws.Write(c.ctx, websocket.MessageText, msg)
}

// Recv reads the next message, without the members that Deribit adds to each envelope: jrpc2 refuses an answer that
// has members which the specification does not know.
func (c *coderChannel) Recv() ([]byte, error) {
	_, r, err := c.ws.Reader(c.ctx)
	if err != nil {
		return nil, err
	}
	c.buf.Reset()
	if _, err := c.buf.ReadFrom(r); err != nil {
		return nil, err
	}
	msg := c.buf.Bytes()
	end := bytes.LastIndex(msg, []byte(`,"usIn":`)) // which the peer puts last, with the others of its kind
	if end < 0 {
		return nil, fmt.Errorf("no usIn in %q", msg)
	}
	return append(msg[:end], '}'), nil
}

// Close ends the connection.
func (c *coderChannel) Close() error { return c.ws.CloseNow() }
