package transporttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// contextEndedDuringDial has each step of the opening hang.
func (s suite) contextEndedDuringDial() {
	t, d := s.T, s.dialer
	hang := func(p *peer) error {
		_, err := io.Copy(io.Discard, p.br)
		return err
	}
	tests := []struct {
		name, url string
		netDial   func(t *testing.T) netDial
	}{
		{"network", url, func(*testing.T) netDial {
			return func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}},
		{"TLS", secureURL, func(t *testing.T) netDial {
			t.Helper()
			return inMemory(t, nil, hang)
		}},
		{"HTTP", url, func(t *testing.T) netDial {
			t.Helper()
			return inMemory(t, nil, hang)
		}},
		{"HTTP answer drop by drop", url, func(t *testing.T) netDial {
			t.Helper()
			return inMemory(t, nil, drip)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				_, err := d.Dial(ctx, rpc.DialConfig{URL: test.url, NetDial: test.netDial(t)})
				if _, ok := errors.AsType[*rpc.HandshakeError](err); !ok || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want a *rpc.HandshakeError with the context's error", err)
				}
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("dial took %v, want 5s", took)
				}
			})
		})
	}
}

// refusedAndKept has the peer answer with a wrong key when little time is left, and keep the connection: a refusal is not read on
// for longer than ctx allows.
func (s suite) refusedAndKept() {
	t, d := s.T, s.dialer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := d.Dial(ctx, rpc.DialConfig{URL: url, NetDial: inMemory(t, nil, func(p *peer) error {
			<-time.After(4 * time.Second)
			if err := answer(101, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x")(p); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, p.br)
			return err
		})})
		if _, ok := errors.AsType[*rpc.HandshakeError](err); !ok {
			t.Errorf("got %v, want a *rpc.HandshakeError", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("dial took %v, its context 5s", took)
		}
	})
}

// drip answers correctly, one byte a second.
func drip(p *peer) error {
	req, err := p.request()
	if err != nil {
		return err
	}
	for _, b := range []byte(acceptance(req)) {
		if err := p.write([]byte{b}); err != nil {
			return nil //nolint:nilerr // the client left, as it should
		}
		<-time.After(time.Second)
	}
	return errors.New("client waited for the last byte")
}

// halfAnswer has the connection end after each number of bytes of a correct answer.
func (s suite) halfAnswer() {
	t, d := s.T, s.dialer
	for cut := range acceptanceSize {
		conn := newScripted(nil)
		conn.answerSize = cut
		refused(t, d, rpc.DialConfig{URL: url, NetDial: conn.dial}, 0)
	}
}

// gluedToTheAnswer has messages come in one write with the answer: none may be lost, however many fit into the buffers of
// the handshake.
func (s suite) gluedToTheAnswer() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	for _, size := range []int{0, 10, 3900, 4096, 100_000} {
		glued := []frame{text("first"), {op: opPing}, text(strings.Repeat("x", size)), text("last")}
		play := func(p *peer) error {
			req, err := p.request()
			if err != nil {
				return err
			}
			wire := []byte(acceptance(req))
			for _, f := range glued {
				wire = append(wire, f.bytes()...)
			}
			if err := p.write(wire); err != nil {
				return err
			}
			return p.drain()
		}
		_, plain := listen(t, nil, play)
		_, secure := listen(t, id.server, play)
		for _, cfg := range []rpc.DialConfig{{URL: "ws://" + plain}, {URL: "wss://" + secure, TLS: id.client()}} {
			tr := dial(t, d, cfg)
			for _, want := range []string{"first", strings.Repeat("x", size), "last"} {
				if got, err := tr.ReadMessage(); err != nil || string(got) != want {
					t.Errorf("%s: got %d bytes, %v, want %d", cfg.URL, len(got), err, len(want))
				}
			}
			closeTransport(t, tr)
		}
	}
}

// endlessAnswer answers with header lines for ever: the client must stop reading by itself, and soon.
func (s suite) endlessAnswer() {
	t, d := s.T, s.dialer
	const bound = 128 << 10
	written := 0
	netDial := inMemory(t, nil, func(p *peer) error {
		if _, err := p.request(); err != nil {
			return err
		}
		line := "HTTP/1.1 101 Switching Protocols\r\n"
		for written <= bound {
			n, err := p.conn.Write([]byte(line))
			if err != nil {
				return nil //nolint:nilerr // the client left, as it should
			}
			written += n
			line = "X-Padding: " + strings.Repeat("x", 1000) + "\r\n"
		}
		return fmt.Errorf("client has read %d bytes of header", written)
	})
	refused(t, d, rpc.DialConfig{URL: url, NetDial: netDial}, 0)
}
