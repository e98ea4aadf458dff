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

// Conn is an open network connection that carries no WebSocket yet.
type Conn struct {
	net.Conn            // the stream of frames
	Raw      *SpillConn // below TLS; the same as Conn without TLS
	URL      *url.URL   // that it leads to
}

// Handshake performs the opening handshake over conn. The answer may come with an error, or be nil.
type Handshake func(ctx context.Context, conn Conn) (*http.Response, error)

// Open opens a connection as cfg says and has shake turn it into a WebSocket; if that fails, it closes the connection.
// ctx bounds all of that and nothing after it. Every error is an [*rpc.HandshakeError].
func Open(ctx context.Context, cfg rpc.DialConfig, shake Handshake) error {
	u, err := parse(cfg.URL)
	if err != nil {
		return &rpc.HandshakeError{URL: display(u), Err: err}
	}
	conn, err := connect(ctx, u, cfg)
	if err != nil {
		return &rpc.HandshakeError{URL: display(u), Err: err}
	}
	// A library that refuses an answer may first read on for seconds of its own: after a 101 that is the connection, which no
	// context ends.
	stop := context.AfterFunc(ctx, func() { conn.Raw.Close() })
	resp, err := shake(ctx, conn)
	ended := !stop()
	if err != nil {
		if ended {
			err = ctx.Err()
		}
		conn.Raw.Close() // without TLS's farewell, which a network that takes nothing holds up
		return &rpc.HandshakeError{URL: display(u), Status: httpStatus(resp), Err: withoutURL(err)}
	}
	// A WebSocket that was made as ctx ended is the caller's to close, though its network is gone: what the library runs for it ends with it.
	conn.Raw.Start()
	return nil
}

// connect dials u's host and, for wss, performs the TLS handshake.
func connect(ctx context.Context, u *url.URL, cfg rpc.DialConfig) (Conn, error) {
	dial := cfg.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	network, err := dial(ctx, "tcp", address(u))
	if err != nil {
		return Conn{}, err
	}
	raw := NewSpillConn(network)
	if u.Scheme == "ws" {
		return Conn{Conn: raw, Raw: raw, URL: u}, nil
	}
	secure := tls.Client(raw, tlsConfig(cfg.TLS, u.Hostname()))
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return Conn{}, err
	}
	return Conn{Conn: secure, Raw: raw, URL: u}, nil
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

// ClientOver returns a client for one request over conn, which is already past the TLS handshake. The client follows
// no redirect and holds nothing that does not end with conn.
func ClientOver(conn net.Conn) *http.Client {
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

// ReadLimit is the read limit that cfg asks for, in bytes.
func ReadLimit(cfg rpc.DialConfig) int64 {
	if cfg.ReadLimit <= 0 {
		return rpc.DefaultReadLimit
	}
	return cfg.ReadLimit
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
