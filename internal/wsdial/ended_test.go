package wsdial_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// TestOpenedAsTheContextEnds: a WebSocket that a library has made is handed out, so that whoever dialed closes it, with all that the
// library runs for it; its network is gone.
func TestOpenedAsTheContextEnds(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var made wsdial.Conn
	err := wsdial.Open(ctx, rpc.DialConfig{
		URL:     "ws://exchange.example/",
		NetDial: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
	}, func(_ context.Context, conn wsdial.Conn) (*http.Response, error) {
		made = conn
		cancel()
		if _, err := theirs.Read(make([]byte, 1)); err == nil { // until the other end is closed
			t.Error("somebody wrote")
		}
		return nil, nil
	})
	if err != nil {
		t.Fatalf("%v: nobody can close what the library made", err)
	}
	if _, err := made.Read(make([]byte, 1)); err == nil {
		t.Error("the network is there still")
	}
	if err := made.Close(); err != nil {
		t.Error(err)
	}
}
