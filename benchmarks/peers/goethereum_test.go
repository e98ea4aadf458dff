package peers

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
)

// dialGoEthereum connects go-ethereum's client, which brings gorilla/websocket. Its params are always an array: those of
// the others, in brackets.
func dialGoEthereum(tb testing.TB, url string) client {
	tb.Helper()
	ctx := tb.Context()
	c, err := rpc.DialWebsocket(ctx, url, "")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return client{
		raw: func(result *json.RawMessage) error {
			return c.CallContext(ctx, result, method, rawParams)
		},
		typed: func(result *placed) error {
			return c.CallContext(ctx, result, method, typedParams)
		},
	}
}
