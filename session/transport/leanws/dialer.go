package leanws

import (
	"context"
	"io"
	"math"
	"net/http"
	"sync/atomic"

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
		resp, err := shake(ctx, conn, cfg.Header)
		if err == nil {
			t = newTransport(conn, resp.Body, wsdial.ReadLimit(cfg))
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// transport is an [rpc.Flusher].
type transport struct {
	in     reader
	out    writer
	closed atomic.Bool
	gone   chan struct{} // closed when Close is done
}

func newTransport(conn wsdial.Conn, stream io.Reader, limit int64) *transport {
	const most = math.MaxInt - beyondLimit
	t := &transport{in: reader{src: stream, limit: int(min(limit, most))}, gone: make(chan struct{})}
	t.out.init(conn)
	return t
}

// Close implements [rpc.Transport]. It sends a close frame, unless one was sent, if that takes no longer than a second,
// and does not wait for the peer's.
func (t *transport) Close() error {
	if t.closed.Swap(true) {
		<-t.gone // not a sync.Once, which would hold up the clock of a synctest bubble
		return nil
	}
	t.out.close()
	close(t.gone)
	return nil
}
