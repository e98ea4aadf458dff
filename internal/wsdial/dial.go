// Package wsdial is what the transports have in common: everything but the WebSocket library itself.
//
// A library upgrades a connection that this package has opened, so that the caller's context bounds the opening, no
// redirect or proxy is ever followed, and a batch of messages leaves in one write.
package wsdial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/holdfast-ws/holdfast/rpc"
)

// maxResponseHeader bounds the handshake's answer, in bytes.
const maxResponseHeader = 64 << 10

var errOneConn = errors.New("the handshake asked for a second connection")

// Upgrade performs a library's opening handshake with a client that knows one connection.
type Upgrade[C any] func(ctx context.Context, client *http.Client) (C, *http.Response, error)

// Dial opens a connection as cfg says, has upgrade turn it into a WebSocket, and returns it as a transport. ctx bounds
// all of that and nothing after it. Every error is an [*rpc.HandshakeError].
func Dial[C Library[M, S], M, S ~int](
	ctx context.Context, cfg rpc.DialConfig, upgrade Upgrade[C], status CloseStatus[S],
) (*Transport[C, M, S], error) {
	u, err := parse(cfg.URL)
	if err != nil {
		return nil, &rpc.HandshakeError{URL: display(u), Err: err}
	}
	conn, err := open(ctx, u, cfg)
	if err != nil {
		return nil, &rpc.HandshakeError{URL: display(u), Err: err}
	}
	lib, resp, err := upgrade(ctx, clientOver(conn))
	if err != nil {
		conn.Close()
		return nil, &rpc.HandshakeError{URL: display(u), Status: httpStatus(resp), Err: withoutURL(err)}
	}
	limit := cfg.ReadLimit
	if limit <= 0 {
		limit = rpc.DefaultReadLimit
	}
	lib.SetReadLimit(limit)
	return &Transport[C, M, S]{lib: lib, status: status, conn: conn, limit: limit}, nil
}

// open dials u's host and, for wss, performs the TLS handshake.
func open(ctx context.Context, u *url.URL, cfg rpc.DialConfig) (*corkConn, error) {
	dial := cfg.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, "tcp", address(u))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "ws" {
		return newCorkConn(raw, raw), nil
	}
	secure := tls.Client(raw, tlsConfig(cfg.TLS, u.Hostname()))
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return newCorkConn(secure, raw), nil
}

// tlsConfig completes a copy of base, which may be nil.
func tlsConfig(base *tls.Config, host string) *tls.Config {
	cfg := base.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.NextProtos = []string{"http/1.1"} // a WebSocket library speaks nothing else
	// Small first records help a browser's first paint; here they only split batches into more system calls.
	cfg.DynamicRecordSizingDisabled = true
	return cfg
}

// clientOver returns a client for one request over conn, which is already past the TLS handshake. The client holds
// nothing that does not end with conn.
func clientOver(conn net.Conn) *http.Client {
	once := make(chan net.Conn, 1)
	once <- conn
	dial := func(context.Context, string, string) (net.Conn, error) {
		select {
		case c := <-once:
			return c, nil
		default:
			return nil, errOneConn
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DialTLSContext:         dial,
			MaxResponseHeaderBytes: maxResponseHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func httpStatus(resp *http.Response) int {
	if resp == nil {
		return 0
	}
	return resp.StatusCode
}

// withoutURL removes the HTTP client's wrapping, which quotes the whole URL.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
