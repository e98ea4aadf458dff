package transporttest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
		{"wrong accept key", answer(101, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"), 101},
		{"no answer", hangUp, 0},
		{"no HTTP", func(p *peer) error {
			if _, err := p.request(); err != nil {
				return err
			}
			return p.write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
		}, 0},
		{"compression that nobody offered", func(p *peer) error {
			req, err := p.request()
			if err != nil {
				return err
			}
			if offer := req.Header.Get("Sec-WebSocket-Extensions"); offer != "" {
				return fmt.Errorf("client offered %q", offer)
			}
			head := strings.TrimSuffix(acceptance(req), "\r\n")
			return p.write([]byte(head + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"))
		}, 101},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, addr := listen(t, nil, test.script)
			refused(t, d, rpc.DialConfig{URL: "ws://" + addr + "/?token=" + secret}, test.status)
		})
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

func (s suite) certificates() {
	t, d := s.T, s.dialer
	now := time.Now()
	good := newIdentity(t, "127.0.0.1", now.Add(time.Hour))
	expired := newIdentity(t, "127.0.0.1", now.Add(-time.Hour))
	foreign := newIdentity(t, "www.deribit.com", now.Add(time.Hour))
	// A server whose handshake failed has nothing to report: the test looks at the client.
	try := func(id identity, client *tls.Config) error {
		_, addr := listen(t, id.server, func(p *peer) error {
			if _, err := p.request(); err != nil {
				return nil //nolint:nilerr // the client broke the handshake off, as it should
			}
			return errors.New("client sent its request")
		})
		err := refusal(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: client})
		isRefusal(t, err, 0)
		return err
	}

	err := try(good, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("unknown authority: got %v", err)
	}
	err = try(expired, expired.client())
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || invalid.Reason != x509.Expired {
		t.Errorf("expired: got %v", err)
	}
	err = try(foreign, foreign.client())
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("wrong host: got %v", err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("wrong host: got %T, want a *tls.CertificateVerificationError in it", err)
	}

	_, addr := listen(t, good.server, afterAccept(echo))
	exchange(t, dial(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: good.client()}), []byte("trusted"))
}

// oldTLS dials a server that speaks TLS 1.1 at most, with a client that would have agreed.
func (s suite) oldTLS() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	id.server.MinVersion, id.server.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, addr := listen(t, id.server, func(p *peer) error {
		if _, err := p.request(); err != nil {
			return nil //nolint:nilerr // the client broke the handshake off, as it should
		}
		return errors.New("client sent its request")
	})
	client := id.client()
	client.MinVersion = tls.VersionTLS10
	refused(t, d, rpc.DialConfig{URL: "wss://" + addr, TLS: client}, 0)
	if client.MinVersion != tls.VersionTLS10 || client.ServerName != "" {
		t.Error("dial changed the caller's TLS configuration")
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

// contextEndedDuringDial has each step of the opening hang.
func (s suite) contextEndedDuringDial() {
	t, d := s.T, s.dialer
	hang := func(p *peer) error {
		_, err := io.Copy(io.Discard, p.br)
		return err
	}
	tests := []struct {
		name, url string
		netDial   func(t *testing.T) func(context.Context, string, string) (net.Conn, error)
	}{
		{"network", url, func(*testing.T) func(context.Context, string, string) (net.Conn, error) {
			return func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}},
		{"TLS", secureURL, func(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
			t.Helper()
			return inMemory(t, nil, hang)
		}},
		{"HTTP", url, func(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
			t.Helper()
			return inMemory(t, nil, hang)
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

// environmentProxy is not parallel: it changes the environment.
func (s suite) environmentProxy() {
	t, d := s.T, s.dialer
	t.Setenv("HTTP_PROXY", "http://proxy.invalid:3128")
	t.Setenv("ALL_PROXY", "http://proxy.invalid:3128")
	memory := inMemory(t, nil, afterAccept(echo))
	dial(t, d, rpc.DialConfig{URL: url, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != "exchange.invalid:80" {
			t.Errorf("dialed %s", addr)
		}
		return memory(ctx, network, addr)
	}})
}

func (s suite) header() {
	t, d := s.T, s.dialer
	_, addr := listen(t, nil, func(p *peer) error {
		req, err := p.request()
		if err != nil {
			return err
		}
		if got := req.Header.Get("X-Desk"); got != "delta one" {
			return fmt.Errorf("X-Desk = %q", got)
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
	dial(t, d, rpc.DialConfig{URL: "ws://" + addr + "/ws/api/v2?a=b", Header: h})
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
