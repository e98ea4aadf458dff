// Package wsdial is what the transports have in common: opening the connection for all of them, and for those on a
// WebSocket library everything but the library itself.
//
// A library upgrades a connection that this package has opened, so that the caller's context bounds the opening, no
// redirect or proxy is ever followed, a batch of messages leaves in one write, and no write waits for the peer.
package wsdial

import (
	"context"
	"net/http"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Upgrade performs a library's opening handshake with a client that knows one connection.
type Upgrade[C any] func(ctx context.Context, client *http.Client) (C, *http.Response, error)

// Dial opens a connection as cfg says, has upgrade turn it into a WebSocket, and returns it as a transport. ctx bounds
// all of that and nothing after it. Every error is an [*rpc.HandshakeError].
func Dial[C Library[M, S], M, S ~int](
	ctx context.Context, cfg rpc.DialConfig, upgrade Upgrade[C], status CloseStatus[S],
) (*Transport[C, M, S], error) {
	t := &Transport[C, M, S]{status: status, limit: ReadLimit(cfg), gone: make(chan struct{})}
	err := Open(ctx, cfg, func(ctx context.Context, conn Conn) (resp *http.Response, err error) {
		t.conn = newCorkConn(conn.Conn, conn.Raw)
		t.lib, resp, err = upgrade(ctx, ClientOver(t.conn))
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	t.lib.SetReadLimit(t.limit)
	return t, nil
}
