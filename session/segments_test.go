package session_test

import (
	"context"
	"net"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// crumbs is a connection whose every read and write is of one byte.
type crumbs struct{ net.Conn }

// Read implements net.Conn.
func (c crumbs) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

// Write implements net.Conn. Over TCP each byte is a segment.
func (c crumbs) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

type crumbling struct{ net.Listener }

// Accept implements net.Listener.
func (l crumbling) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return crumbs{conn}, err
}

func dialCrumbs(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return crumbs{conn}, err
}

// TestOneByteSegments lives a session's whole life over a network that carries one byte at a time.
func TestOneByteSegments(t *testing.T) {
	forEachDialer(t, func(t *testing.T, d rpc.Dialer) {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := newServer(t, deribittest.Config{Tick: -1, Listener: crumbling{listener}})
		cfg := on(server, server.AddKey(deribittest.KeyConfig{}))
		cfg.Dialer, cfg.NetDial, cfg.CancelOnDisconnect = d, dialCrumbs, true
		s := dial(t, cfg)

		const book = "book.BTC-PERPETUAL.raw"
		sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, book, "ticker.BTC-PERPETUAL.raw")
		if err != nil {
			t.Fatal(err)
		}
		books := 0
		for books < 10 {
			n, err := receive(t, sub)
			if err != nil {
				t.Fatal(err)
			}
			if n.Channel == book {
				books++
			}
			server.Tick()
		}
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Errorf("Reauthenticate: %v", err)
		}
		if now, err := rpc.Call[int64](t.Context(), s, "public/get_time", nil); err != nil || now <= 0 {
			t.Errorf("public/get_time = %d, %v", now, err)
		}
		if err := s.Reconnect(t.Context()); err != nil {
			t.Errorf("Reconnect: %v", err)
		}
		stats := s.Stats()
		if stats.Epoch != 2 || stats.Channels != 2 || stats.Conn.Strays != (rpc.Stats{}).Strays {
			t.Errorf("connection %d, %d channels, strays %v", stats.Epoch, stats.Channels, stats.Conn.Strays)
		}
	})
}
