package benchmarks

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/coderws"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

var transports = []struct {
	name   string
	dialer rpc.Dialer
}{
	{"nhooyr", nhooyrws.Dialer{}},
	{"coder", coderws.Dialer{}},
}

func newExchange(b *testing.B) (*deribittest.Server, session.Credentials) {
	b.Helper()
	exchange, err := deribittest.New(deribittest.Config{Tick: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := exchange.Close(); err != nil {
			b.Error(err)
		}
	})
	key := exchange.AddKey(deribittest.KeyConfig{Name: "bench"})
	return exchange, session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(key.Secret)), Generation: 1}
}

func dial(b *testing.B, cfg session.Config) *session.Session {
	b.Helper()
	s, err := session.Dial(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return s
}

// pingPong measures raw TCP on loopback: n round trips of the bytes of a small call, in chunks of which it returns the
// median time a round trip takes.
func pingPong(b *testing.B, n int) time.Duration {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- echo(listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 64)
	const chunks = 11
	took := make([]time.Duration, chunks)
	for i := range took {
		start := time.Now()
		for range n {
			if _, err := conn.Write(message); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, message); err != nil {
				b.Fatal(err)
			}
		}
		took[i] = time.Since(start) / time.Duration(n)
	}
	conn.Close()
	if err := <-served; err != nil {
		b.Fatal(err)
	}
	slices.Sort(took)
	return took[chunks/2]
}

func echo(listener net.Listener) error {
	defer listener.Close()
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(conn, conn)
	return err
}
