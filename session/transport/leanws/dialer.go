package leanws

import (
	"context"
	"io"
	"net/http"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// Dialer opens WebSocket connections. The zero value is ready, and safe for concurrent use.
type Dialer struct{}

// Dial implements [rpc.Dialer]. Every error is an [*rpc.HandshakeError], which shows neither user information nor the
// query of the URL; in it are the network's, TLS's or ctx's error.
func (Dialer) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	var t *transport
	err := wsdial.Open(ctx, cfg, func(ctx context.Context, conn wsdial.Conn) (*http.Response, error) {
		stream, resp, err := shake(ctx, wsdial.ClientOver(conn), cfg)
		if err == nil {
			t = newTransport(conn, stream, wsdial.ReadLimit(cfg))
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// transport is an [rpc.Transport].
type transport struct {
	in  reader
	out writer
}

func newTransport(conn wsdial.Conn, stream io.Reader, limit int64) *transport {
	t := &transport{in: reader{src: stream, limit: limit}}
	t.out.init(conn)
	return t
}
