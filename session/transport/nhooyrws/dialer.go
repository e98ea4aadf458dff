package nhooyrws

import (
	"context"
	"net/http"

	"nhooyr.io/websocket"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// Dialer opens WebSocket connections with nhooyr.io/websocket. The zero value is ready, and safe for concurrent use.
type Dialer struct{}

// Dial implements [rpc.Dialer]. Every error is an [*rpc.HandshakeError], which shows neither user information nor the
// query of the URL; in it are the network's, TLS's or ctx's error.
func (Dialer) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	upgrade := func(ctx context.Context, client *http.Client) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, cfg.URL, &websocket.DialOptions{
			HTTPClient:      client,
			HTTPHeader:      cfg.Header,
			CompressionMode: websocket.CompressionDisabled,
		})
	}
	t, err := wsdial.Dial(ctx, cfg, upgrade, websocket.CloseStatus)
	if err != nil {
		return nil, err
	}
	return t, nil
}
