package leanws_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	nhooyr "nhooyr.io/websocket"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

const interopLimit = 4 << 20

// library is the part of a server's connection that the libraries have in common.
type library[M ~int] interface {
	Read(ctx context.Context) (M, []byte, error)
	Write(ctx context.Context, typ M, p []byte) error
	SetReadLimit(n int64)
	CloseNow() error
}

// echo answers with what it gets until the client closes in order.
func echo[M, S ~int](ctx context.Context, t *testing.T, c library[M], status func(error) S) {
	t.Helper()
	defer c.CloseNow()
	c.SetReadLimit(interopLimit)
	for {
		typ, msg, err := c.Read(ctx)
		if status(err) == 1000 {
			return
		}
		if err == nil {
			err = c.Write(ctx, typ, msg)
		}
		if err != nil {
			t.Errorf("echo: %v", err)
			return
		}
	}
}

// serve starts a server that ends with the test, its handlers too.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	var handlers sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		handlers.Wait()
	})
	return server
}

func coderEcho(t *testing.T, compression websocket.CompressionMode) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: compression})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		echo(context.WithoutCancel(r.Context()), t, c, websocket.CloseStatus)
	}
}

func nhooyrEcho(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := nhooyr.Accept(w, r, &nhooyr.AcceptOptions{CompressionMode: nhooyr.CompressionContextTakeover})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		echo(context.WithoutCancel(r.Context()), t, c, nhooyr.CloseStatus)
	}
}

// TestInterop exchanges messages of all sizes with servers that others wrote, which would compress if they were asked to.
func TestInterop(t *testing.T) {
	t.Parallel()
	handlers := map[string]http.HandlerFunc{
		"coder":             coderEcho(t, websocket.CompressionDisabled),
		"coder, compresses": coderEcho(t, websocket.CompressionContextTakeover),
		"nhooyr":            nhooyrEcho(t),
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := dial(t, serve(t, handler))
			for _, size := range []int{0, 1, 125, 126, 4000, 4096, 65535, 65536, 1 << 20, interopLimit} {
				want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
				if err := tr.WriteMessages(want); err != nil {
					t.Fatalf("write %d bytes: %v", size, err)
				}
				if got, err := tr.ReadMessage(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("read %d bytes, %v, want the %d that were sent", len(got), err, size)
				}
			}
			if err := tr.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func dial(t *testing.T, server *httptest.Server) rpc.Transport {
	t.Helper()
	tr, err := leanws.Dialer{}.Dial(t.Context(), rpc.DialConfig{URL: strings.Replace(server.URL, "http", "ws", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// TestInteropPing has a server of others ping, and wait for each answer.
func TestInteropPing(t *testing.T) {
	t.Parallel()
	tr := dial(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		ctx, cancel := context.WithTimeout(c.CloseRead(r.Context()), 10*time.Second)
		defer cancel()
		for range 100 {
			if err := c.Ping(ctx); err != nil {
				t.Errorf("ping: %v", err)
			}
		}
		if err := c.Close(websocket.StatusGoingAway, "done"); err != nil {
			t.Errorf("close handshake: %v", err)
		}
	}))
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if _, err := tr.ReadMessage(); err == nil || !strings.Contains(err.Error(), "1001") {
			t.Errorf("read: %v, want the code of the close frame", err)
		}
	})
}
