package transporttest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// notificationSize is the size of a typical notification of a book, in bytes.
const notificationSize = 318

// requestSize is the size of a typical order, in bytes.
const requestSize = 150

// benchServer plays one connection's script to b and returns the transport at its other end.
func benchServer(b *testing.B, d rpc.Dialer, play script) rpc.Transport {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			b.Errorf("accept: %v", err)
			return
		}
		defer conn.Close()
		if err := afterAccept(play)(newPeer(conn)); err != nil {
			b.Errorf("server: %v", err)
		}
	})
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
		wg.Wait()
	})
	tr, err := d.Dial(b.Context(), rpc.DialConfig{URL: "ws://" + l.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := tr.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return tr
}

// BenchmarkRead reads notifications that arrive many at a time.
func BenchmarkRead(b *testing.B, d rpc.Dialer) {
	b.Helper()
	burst := bytes.Repeat(text(strings.Repeat("x", notificationSize)).bytes(), 100)
	tr := benchServer(b, d, func(p *peer) error {
		for {
			if _, err := p.conn.Write(burst); err != nil {
				return nil //nolint:nilerr // the client has read enough
			}
		}
	})
	b.ReportAllocs()
	b.SetBytes(notificationSize)
	for b.Loop() {
		if msg, err := tr.ReadMessage(); err != nil || len(msg) != notificationSize {
			b.Fatalf("read %d bytes, %v", len(msg), err)
		}
	}
}

// BenchmarkRoundTrip sends one request and waits for an answer of its size.
func BenchmarkRoundTrip(b *testing.B, d rpc.Dialer) {
	b.Helper()
	msg := numbered(1, requestSize)
	answer := text(string(msg[0])).bytes()
	tr := benchServer(b, d, func(p *peer) error {
		for {
			if _, err := p.br.Discard(frameSize(requestSize)); err != nil {
				return nil //nolint:nilerr // the client has had enough
			}
			if err := p.write(answer); err != nil {
				return err
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.WriteMessages(msg...); err != nil {
			b.Fatal(err)
		}
		if _, err := tr.ReadMessage(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch sends batches of size requests to a peer that only reads; the time is per batch.
func BenchmarkBatch(b *testing.B, d rpc.Dialer, size int) {
	b.Helper()
	msgs := numbered(size, requestSize)
	tr := benchServer(b, d, func(p *peer) error {
		buf := make([]byte, 1<<20)
		for {
			if _, err := p.br.Read(buf); err != nil {
				return nil //nolint:nilerr // the client has had enough
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.WriteMessages(msgs...); err != nil {
			b.Fatal(err)
		}
	}
}

// frameSize is the length on the wire of a client's frame with n bytes, from 126 to 65535.
func frameSize(n int) int { return 2 + 2 + 4 + n }
