package benchmarks

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

// credentials are accepted by the wire's peer, as any are.
var credentials = session.Credentials{ClientID: "bench", Secret: session.NewSecret([]byte("bench")), Generation: 1}

// countingConn counts what crosses the wire.
type countingConn struct {
	net.Conn
	in, out *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	return n, err
}

// wireSize is how many bytes a call's request and its answer have on the wire, frames included.
type wireSize struct{ request, answer int }

func sizeOnWire(b *testing.B, cfg session.Config, call func(*session.Session) error) wireSize {
	b.Helper()
	var in, out atomic.Int64
	cfg.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countingConn{conn, &in, &out}, err
	}
	s := dial(b, cfg)
	const calls = 100
	in.Store(0)
	out.Store(0)
	for range calls {
		if err := call(s); err != nil {
			b.Fatal(err)
		}
	}
	return wireSize{request: int(out.Load() / calls), answer: int(in.Load() / calls)}
}

// pingPong is the floor of calls: batch requests of raw bytes in one write, then all their answers, n calls in all.
func pingPong(b *testing.B, peer *wirepeer.Peer, size wireSize, batch, n int) chunk {
	b.Helper()
	conn, err := peer.PingPong(b.Context(), size.request, size.answer)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	out, in := make([]byte, size.request*batch), make([]byte, size.answer*batch)
	return func() (ops int, err error) {
		for ops < n {
			if _, err := conn.Write(out); err != nil {
				return ops, err
			}
			if _, err := io.ReadFull(conn, in); err != nil {
				return ops, err
			}
			ops += batch
		}
		return ops, nil
	}
}

// bulkRead is the floor of notifications: n messages of size raw bytes, asked for at once, read as they come.
func bulkRead(b *testing.B, peer *wirepeer.Peer, size, n int) chunk {
	b.Helper()
	conn, err := peer.Stream(b.Context(), size)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	ask := binary.BigEndian.AppendUint64(nil, uint64(n))
	buf := make([]byte, 64<<10)
	return func() (ops int, err error) {
		if _, err := conn.Write(ask); err != nil {
			return 0, err
		}
		got := 0
		for got < n*size {
			m, err := conn.Read(buf)
			if err != nil {
				return got / size, fmt.Errorf("after %d bytes: %w", got, err)
			}
			got += m
		}
		return got / size, nil
	}
}
