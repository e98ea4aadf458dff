package transporttest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// answer reads the request and answers it with status and extra header lines.
func answer(status int, lines ...string) script {
	return func(p *peer) error {
		if _, err := p.request(); err != nil {
			return err
		}
		first := fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status))
		head := slices.Concat([]string{first, "Content-Length: 2"}, lines)
		return p.write([]byte(strings.Join(head, "\r\n") + "\r\n\r\nno"))
	}
}

// refused dials and expects a handshake error with status.
func refused(t *testing.T, d rpc.Dialer, cfg rpc.DialConfig, status int) {
	t.Helper()
	isRefusal(t, refusal(t, d, cfg), status)
}

// refusal dials and returns the error.
func refusal(t *testing.T, d rpc.Dialer, cfg rpc.DialConfig) error {
	t.Helper()
	tr, err := d.Dial(t.Context(), cfg)
	if err == nil {
		closeTransport(t, tr)
		t.Fatalf("dial of %s succeeded", cfg.URL)
	}
	return err
}

// isRefusal checks that err is a handshake error with status, and shows no secret.
func isRefusal(t *testing.T, err error, status int) {
	t.Helper()
	he, ok := errors.AsType[*rpc.HandshakeError](err)
	if !ok {
		t.Fatalf("got %T %v, want a *rpc.HandshakeError", err, err)
	}
	if he.Status != status || he.Err == nil {
		t.Errorf("got status %d and error %v, want status %d and an error", he.Status, he.Err, status)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %s", err, he, he.URL), secret) {
		t.Errorf("error shows a secret: %v", err)
	}
}

// secret stands in URLs in places that errors must not show.
const secret = "hunter2"

func (s suite) redirects() {
	t, d := s.T, s.dialer
	other, elsewhere := listen(t, nil, afterAccept(echo))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{"ws://" + elsewhere, "http://" + elsewhere, "/loop", "//" + elsewhere + "/" + secret} {
			first, addr := listen(t, nil, answer(status, "Location: "+location))
			refused(t, d, rpc.DialConfig{URL: "ws://" + addr + "/?token=" + secret}, status)
			if n := first.dials.Load(); n != 1 {
				t.Errorf("%d to %s: %d connections, want 1", status, location, n)
			}
		}
	}
	if n := other.dials.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func (s suite) refusals() {
	t, d := s.T, s.dialer
	hangUp := func(p *peer) error {
		_, err := p.request()
		return err
	}
	tests := []struct {
		name   string
		script script
		status int
	}{
		{"ok without upgrade", answer(http.StatusOK), http.StatusOK},
		{"unauthorized", answer(http.StatusUnauthorized), http.StatusUnauthorized},
		{"too many requests", answer(http.StatusTooManyRequests, "Retry-After: 7"), http.StatusTooManyRequests},
		{"unavailable", answer(http.StatusServiceUnavailable), http.StatusServiceUnavailable},
		{"upgrade to something else", answer(101, "Connection: Upgrade", "Upgrade: h2c"), 101},
		{"upgrade of nothing", answer(101, "Upgrade: websocket"), 101},
		{"wrong accept key", answer(101, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"), 101},
		{"no answer", hangUp, 0},
		{"no HTTP", func(p *peer) error {
			if _, err := p.request(); err != nil {
				return err
			}
			return p.write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
		}, 0},
		{"compression that nobody offered", acceptWith("Sec-WebSocket-Extensions: permessage-deflate"), 101},
		{"subprotocol that nobody offered", acceptWith("Sec-WebSocket-Protocol: fix"), 101},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, addr := listen(t, nil, test.script)
			refused(t, d, rpc.DialConfig{URL: "ws://" + addr + "/?token=" + secret}, test.status)
		})
	}
}

// acceptWith accepts, with a header line that answers an offer that nobody made.
func acceptWith(line string) script {
	return func(p *peer) error {
		req, err := p.request()
		if err != nil {
			return err
		}
		for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
			if offer := req.Header.Values(name); len(offer) > 0 {
				return fmt.Errorf("client offered %s: %q", name, offer)
			}
		}
		return p.write([]byte(strings.TrimSuffix(acceptance(req), "\r\n") + line + "\r\n\r\n"))
	}
}

func (s suite) nobodyListens() {
	t, d := s.T, s.dialer
	errDown := errors.New("network is down")
	down := func(context.Context, string, string) (net.Conn, error) { return nil, errDown }
	err := refusal(t, d, rpc.DialConfig{URL: url + "?token=" + secret, NetDial: down})
	isRefusal(t, err, 0)
	if !errors.Is(err, errDown) {
		t.Errorf("got %v, want the network's error in it", err)
	}

	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = refusal(t, d, rpc.DialConfig{URL: "ws://" + l.Addr().String()})
	isRefusal(t, err, 0)
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("got %v, want a *net.OpError in it", err)
	}
}

// closeCounter counts the times that a connection is closed.
type closeCounter struct {
	net.Conn
	closed *atomic.Int64
}

func (c closeCounter) Close() error {
	c.closed.Add(1)
	return c.Conn.Close()
}

// failedDialsClose has the opening fail after the network connection stood: it must not stay.
func (s suite) failedDialsClose() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "www.deribit.com", time.Now().Add(time.Hour))
	dropped := func(p *peer) error {
		if _, err := p.request(); err != nil {
			return nil //nolint:nilerr // the client broke the handshake off, as it should
		}
		return errors.New("client sent its request")
	}
	keepAlive := func(p *peer) error {
		if err := answer(http.StatusServiceUnavailable)(p); err != nil {
			return err
		}
		return p.drain() // ends when the client does
	}
	for _, failing := range []rpc.DialConfig{
		{URL: secureURL, TLS: id.client(), NetDial: inMemory(t, id.server, dropped)},
		{URL: url, NetDial: inMemory(t, nil, keepAlive)},
		{URL: url, NetDial: inMemory(t, nil, answer(101, "Connection: Upgrade", "Upgrade: h2c"))},
	} {
		var closed atomic.Int64
		memory := failing.NetDial
		failing.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := memory(ctx, network, addr)
			return closeCounter{conn, &closed}, err
		}
		if err := refusal(t, d, failing); closed.Load() == 0 {
			t.Errorf("%v: the connection below was not closed", err)
		}
	}
}

func (s suite) header() {
	t, d := s.T, s.dialer
	_, addr := listen(t, nil, func(p *peer) error {
		req, err := p.request()
		if err != nil {
			return err
		}
		for name, want := range map[string]string{
			"X-Desk": "delta one", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		} {
			if got := req.Header.Get(name); got != want {
				return fmt.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if key, err := base64.StdEncoding.DecodeString(req.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
			return fmt.Errorf("key of %d bytes, %w, want 16", len(key), err)
		}
		if req.URL.String() != "/ws/api/v2?a=b" {
			return fmt.Errorf("URL = %q", req.URL)
		}
		if err := p.write([]byte(acceptance(req))); err != nil {
			return err
		}
		return p.drain()
	})
	h := http.Header{"X-Desk": {"delta one"}}
	dial(t, d, rpc.DialConfig{URL: "WS://" + addr + "/ws/api/v2?a=b", Header: h}) // a scheme has no case
	if len(h) != 1 {
		t.Errorf("dial changed the caller's header: %v", h)
	}
}

// manyDials opens, refuses and closes many connections; the package's TestMain finds what they leave behind.
func (s suite) manyDials() {
	t, d := s.T, s.dialer
	_, good := listen(t, nil, afterAccept(echo))
	_, bad := listen(t, nil, answer(http.StatusServiceUnavailable))
	for range 50 {
		tr := dial(t, d, rpc.DialConfig{URL: "ws://" + good})
		exchange(t, tr, []byte("hello"))
		closeTransport(t, tr)
		refused(t, d, rpc.DialConfig{URL: "ws://" + bad}, http.StatusServiceUnavailable)
	}
}
