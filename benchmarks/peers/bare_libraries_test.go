package peers

import (
	"bytes"
	"context"
	"io"
	"testing"

	coderws "github.com/coder/websocket"
	"github.com/gorilla/websocket"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// readBuffer is the size of a connection's read buffer where it can be chosen, in bytes.
const readBuffer = 64 << 10

// dialCoder connects github.com/coder/websocket, whose read buffer has 4 KiB.
func dialCoder(tb testing.TB, url string) bare {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	ws, _, err := coderws.Dial(ctx, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ws.CloseNow() })
	write := func(msg []byte) error { return ws.Write(ctx, coderws.MessageText, msg) }
	return pull(writeEach(write), into(func() (io.Reader, error) {
		_, r, err := ws.Reader(ctx)
		return r, err
	}))
}

// dialGorilla connects github.com/gorilla/websocket.
func dialGorilla(tb testing.TB, url string) bare {
	tb.Helper()
	dialer := websocket.Dialer{ReadBufferSize: readBuffer}
	ws, resp, err := dialer.DialContext(tb.Context(), url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp.Body.Close()
	closeAtEnd(tb, ws.NetConn())
	write := func(msg []byte) error { return ws.WriteMessage(websocket.TextMessage, msg) }
	return pull(writeEach(write), into(func() (io.Reader, error) {
		_, r, err := ws.NextReader()
		return r, err
	}))
}

// into reads whole messages into one buffer.
func into(next func() (io.Reader, error)) func() ([]byte, error) {
	var buf bytes.Buffer
	return func() ([]byte, error) {
		r, err := next()
		if err != nil {
			return nil, err
		}
		buf.Reset()
		_, err = buf.ReadFrom(r)
		return buf.Bytes(), err
	}
}

// dialLean connects Holdfast's own framing.
func dialLean(tb testing.TB, url string) bare {
	tb.Helper()
	transport, err := leanws.Dialer{}.Dial(tb.Context(), rpc.DialConfig{URL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := transport.Close(); err != nil {
			tb.Error(err)
		}
	})
	return pull(func(msgs [][]byte) error { return transport.WriteMessages(msgs...) }, transport.ReadMessage)
}
