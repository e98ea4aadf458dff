//nolint:staticcheck // the module is frozen and marks every symbol as deprecated
package peers

import (
	"context"
	"io"
	"testing"

	"nhooyr.io/websocket"
)

// dialNhooyr connects nhooyr.io/websocket, whose read buffer has 4 KiB.
func dialNhooyr(tb testing.TB, url string) bare {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ws.CloseNow() })
	write := func(msg []byte) error { return ws.Write(ctx, websocket.MessageText, msg) }
	return pull(writeEach(write), into(func() (io.Reader, error) {
		_, r, err := ws.Reader(ctx)
		return r, err
	}))
}
