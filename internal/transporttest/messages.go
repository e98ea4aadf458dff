package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// echo returns each frame to its sender until the sender leaves.
func echo(p *peer) error {
	for {
		f, err := p.readFrame()
		if err != nil {
			return nil //nolint:nilerr // the end is part of the script, and it has many forms
		}
		err = p.send(f)
		if f.op == opClose {
			return nil // the client need not wait for the answer
		}
		if err != nil {
			return err
		}
	}
}

func (s suite) roundTrip() {
	t, d := s.T, s.dialer
	tr := connect(t, d, echo)
	for _, size := range []int{0, 1, 125, 126, 4081, 4082, 4083, 4096, 65535, 65536, 1 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		exchange(t, tr, want)
	}
}

// exchange sends msg and expects it back.
func exchange(t *testing.T, tr rpc.Transport, msg []byte) {
	t.Helper()
	kept := bytes.Clone(msg)
	if err := tr.WriteMessages(msg); err != nil {
		t.Fatalf("write %d bytes: %v", len(msg), err)
	}
	if !bytes.Equal(msg, kept) {
		t.Fatal("write changed the caller's message")
	}
	got, err := tr.ReadMessage()
	if err != nil {
		t.Fatalf("read %d bytes: %v", len(msg), err)
	}
	if !bytes.Equal(got, kept) {
		t.Fatalf("got %d bytes back that differ from the %d sent", len(got), len(msg))
	}
}

// batchBoundaries has the second message of a batch begin at each place around the end of a write buffer.
func (s suite) batchBoundaries() {
	t, d := s.T, s.dialer
	tr := connect(t, d, echo)
	for _, buffer := range []int{4 << 10, 64 << 10} {
		for size := buffer - 40; size <= buffer; size++ {
			batch := numbered(1, size)
			batch = append(batch, numbered(2, 20)...)
			if err := tr.WriteMessages(batch...); err != nil {
				t.Fatalf("write: %v", err)
			}
			for i, want := range batch {
				if got, err := tr.ReadMessage(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("message %d after one of %d bytes: got %.40q, %v, want %.40q", i, size, got, err, want)
				}
			}
		}
	}
}

// written is what was written to a connection by one goroutine at a time.
type written struct{ writes, largest atomic.Int64 }

// countedConn counts the writes to a connection.
type countedConn struct {
	net.Conn
	written *written
}

func (c countedConn) Write(p []byte) (int, error) {
	c.written.writes.Add(1)
	c.written.largest.Store(max(c.written.largest.Load(), int64(len(p))))
	return c.Conn.Write(p)
}

func counting(w *written) netDial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return countedConn{conn, w}, nil
	}
}

func (s suite) batchIsOneWrite() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	batches := []struct {
		name          string
		messages      int
		size          int
		writes        int64
		writesOverTLS int64 // a TLS record holds 16 KiB and is one write
	}{
		{"nothing", 0, 0, 0, 0},
		{"one", 1, 150, 1, 1},
		{"one longer than the library's buffer", 1, 16000, 1, 1},
		{"batch that would fit without its headers", 27, 150, 1, 1},
		{"64 calls", 64, 150, 1, 1},
		{"batch longer than a TLS record", 64, 500, 1, 2},
		{"batch longer than the cork's buffer", 64, 2000, 2, 9},
	}
	for _, batch := range batches {
		msgs := numbered(batch.messages, batch.size)
		receive := func(p *peer) error {
			for _, m := range msgs {
				if err := p.receiveText(string(m)); err != nil {
					return err
				}
			}
			return p.drain()
		}
		t.Run(batch.name, func(t *testing.T) {
			_, addr := listen(t, nil, afterAccept(receive))
			countWrites(t, d, rpc.DialConfig{URL: "ws://" + addr}, msgs, batch.writes)
		})
		t.Run(batch.name+" over TLS", func(t *testing.T) {
			_, addr := listen(t, id.server, afterAccept(receive))
			countWrites(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: id.client()}, msgs, batch.writesOverTLS)
		})
	}
}

func countWrites(t *testing.T, d rpc.Dialer, cfg rpc.DialConfig, msgs [][]byte, want int64) {
	t.Helper()
	var w written
	cfg.NetDial = counting(&w)
	tr := dial(t, d, cfg)
	before := w.writes.Load()
	if err := tr.WriteMessages(msgs...); err != nil {
		t.Fatalf("write: %v", err)
	}
	if got := w.writes.Load() - before; got > want || got == 0 && want > 0 {
		t.Errorf("%d messages took %d writes, want %d at most", len(msgs), got, want)
	}
	const most = 64 << 10 // and what a message adds that begins below that
	if got := w.largest.Load(); len(msgs) > 1 && got > int64(most+len(msgs[0])+14) {
		t.Errorf("%d bytes left in one write, want some %d at most", got, most)
	}
}

// numbered returns n messages of size bytes that tell their place.
func numbered(n, size int) [][]byte {
	msgs := make([][]byte, n)
	for i := range msgs {
		number := fmt.Sprintf("%06d", i)
		msgs[i] = []byte(number + strings.Repeat("x", max(size-len(number), 0)))
	}
	return msgs
}

func (s suite) fragments() {
	t, d := s.T, s.dialer
	tr := connect(t, d, func(p *peer) error {
		err := p.send(
			frame{op: opText, more: true, payload: []byte("frag")},
			frame{op: opPing, payload: []byte("are you there")},
			frame{op: opContinuation, more: true},
			frame{op: opPong, payload: []byte("nobody asked")},
			frame{op: opContinuation, more: true, payload: []byte("men")},
			frame{op: opContinuation, payload: []byte("ted")},
			text("whole"),
		)
		if err != nil {
			return err
		}
		if f, err := p.receive(); err != nil || f.op != opPong || string(f.payload) != "are you there" {
			return fmt.Errorf("answer to the ping: %v, %w", f, err)
		}
		return p.drain()
	})
	for _, want := range []string{"fragmented", "whole"} {
		got, err := tr.ReadMessage()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func (s suite) singleBytes() {
	t, d := s.T, s.dialer
	msg := strings.Repeat("slowly ", 100)
	tr := connect(t, d, func(p *peer) error {
		for _, b := range append(text(msg).bytes(), text("end").bytes()...) {
			if err := p.write([]byte{b}); err != nil {
				return err
			}
		}
		return p.drain()
	})
	for _, want := range []string{msg, "end"} {
		got, err := tr.ReadMessage()
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
}

// pingsDuringBatches has the peer ping while batches leave: answers and messages must not damage each other.
func (s suite) pingsDuringBatches() {
	t, d := s.T, s.dialer
	const rounds = 200
	batch := numbered(8, 50)
	tr := connect(t, d, func(p *peer) error {
		pongs, texts := 0, 0
		for i := range rounds {
			if err := p.send(frame{op: opPing, payload: fmt.Append(nil, i)}); err != nil {
				return err
			}
			for texts < (i+1)*len(batch) || pongs <= i {
				f, err := p.receive()
				switch {
				case err != nil:
					return err
				case f.op == opPong && string(f.payload) == strconv.Itoa(pongs):
					pongs++
				case f.op == opText && string(f.payload) == string(batch[texts%len(batch)]):
					texts++
				default:
					return fmt.Errorf("unexpected %v after %d pongs and %d messages", f, pongs, texts)
				}
			}
		}
		return p.send(closing(1000, ""))
	})
	read := make(chan error, 1)
	joined(t, func() {
		_, err := tr.ReadMessage()
		read <- err
	})
	for range rounds {
		if err := tr.WriteMessages(batch...); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	if err := <-read; err == nil {
		t.Error("read returned a message, want the end of the connection")
	}
}

func (s suite) binaryRefused() {
	t, d := s.T, s.dialer
	tr := connect(t, d, func(p *peer) error {
		if err := p.send(frame{op: opBinary, payload: []byte("{}")}); err != nil {
			return err
		}
		return p.drain()
	})
	if msg, err := tr.ReadMessage(); !errors.Is(err, rpc.ErrMalformed) {
		t.Errorf("got %q, %v, want ErrMalformed", msg, err)
	}
}
