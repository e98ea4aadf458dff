package transporttest

import (
	"bufio"
	"context"
	"net"

	"github.com/holdfast-ws/holdfast/rpc"
)

// drips is how many bytes come one at a time; what follows, of giants, comes as it may.
const drips = 128 << 10

// A drippingDialer has its Dialer's connections hand over one byte at a time, as those to a peer do that sends each byte
// in a segment of its own.
type drippingDialer struct{ rpc.Dialer }

// Dial implements [rpc.Dialer].
func (d drippingDialer) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	below := cfg.NetDial
	if below == nil {
		below = new(net.Dialer).DialContext
	}
	cfg.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := below(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &drippingConn{Conn: conn, br: bufio.NewReaderSize(conn, 64<<10)}, nil
	}
	return d.Dialer.Dial(ctx, cfg)
}

type drippingConn struct {
	net.Conn
	br   *bufio.Reader
	read int
}

// Read reads one byte.
func (c *drippingConn) Read(p []byte) (int, error) {
	if c.read < drips {
		p = p[:min(len(p), 1)]
	}
	n, err := c.br.Read(p)
	c.read += n
	return n, err
}
