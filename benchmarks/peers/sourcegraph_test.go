package peers

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
	jsonrpc2ws "github.com/sourcegraph/jsonrpc2/websocket"
)

// dialSourcegraph connects sourcegraph/jsonrpc2 through its own websocket package, which stands on gorilla/websocket.
func dialSourcegraph(tb testing.TB, url string) client {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // the end of the context given to NewConn would close the connection first
	ws, resp, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp.Body.Close()
	c := jsonrpc2.NewConn(ctx, jsonrpc2ws.NewObjectStream(ws), nil)
	tb.Cleanup(func() { _ = c.Close() }) // says how the connection ended, if it ended before
	return client{
		raw: func(result *json.RawMessage) error {
			return c.Call(ctx, method, rawParams, result)
		},
		typed: func(result *placed) error {
			return c.Call(ctx, method, typedParams, result)
		},
	}
}
