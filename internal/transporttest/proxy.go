package transporttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// environmentProxy is not parallel: it changes the environment.
func (s suite) environmentProxy() {
	t, d := s.T, s.dialer
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://proxy.invalid:3128")
	}
	id := newIdentity(t, "exchange.invalid", time.Now().Add(time.Hour))
	plain, secure := inMemory(t, nil, afterAccept(echo)), inMemory(t, id.server, afterAccept(echo))
	for _, c := range []struct {
		url, addr string
		netDial   netDial
	}{{url, "exchange.invalid:80", plain}, {secureURL, "exchange.invalid:443", secure}} {
		netDial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr != c.addr {
				t.Errorf("dialed %s, want %s", addr, c.addr)
			}
			return c.netDial(ctx, network, addr)
		}
		exchange(t, dial(t, d, rpc.DialConfig{URL: c.url, TLS: id.client(), NetDial: netDial}), []byte("direct"))
	}
}

// throughProxy dials through an HTTP proxy, as NetDial makes possible.
func (s suite) throughProxy() {
	t, d := s.T, s.dialer
	id := newIdentity(t, "127.0.0.1", time.Now().Add(time.Hour))
	_, plain := listen(t, nil, afterAccept(echo))
	_, secure := listen(t, id.server, afterAccept(echo))
	proxy, proxyAddr := listen(t, nil, tunnel(t))
	through := connectThrough(proxyAddr)
	for _, cfg := range []rpc.DialConfig{
		{URL: "ws://" + plain, NetDial: through},
		{URL: "wss://" + secure, NetDial: through, TLS: id.client()},
	} {
		tr := dial(t, d, cfg)
		exchange(t, tr, []byte("through the tunnel"))
		closeTransport(t, tr)
	}
	if n := proxy.dials.Load(); n != 2 {
		t.Errorf("%d connections to the proxy, want 2", n)
	}
}

// tunnel is the script of a proxy that knows the method CONNECT.
func tunnel(t *testing.T) script {
	t.Helper()
	return func(p *peer) error {
		req, err := p.request()
		if err != nil {
			return err
		}
		if req.Method != http.MethodConnect {
			return fmt.Errorf("proxy: %s, want CONNECT", req.Method)
		}
		target, err := new(net.Dialer).DialContext(t.Context(), "tcp", req.Host)
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		defer target.Close()
		if err := p.write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
			return err
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			defer target.Close()
			_, _ = io.Copy(target, p.br) // either side may end the tunnel, in any manner
		})
		_, _ = io.Copy(p.conn, target)
		p.conn.Close()
		wg.Wait()
		return nil
	}
}

// connectThrough returns the NetDial of a program that has to use the proxy at proxyAddr.
func connectThrough(proxyAddr string) netDial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, proxyAddr)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", addr); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("proxy: %s", resp.Status)
		}
		return conn, nil
	}
}
