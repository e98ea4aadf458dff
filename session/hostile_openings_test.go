package session_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const dialTimeout = 5 * time.Second

// raw is the Config of a session with a peer that plays from the first byte on. Only the first connection is played.
func (a *arena) raw(play func(w *wire)) session.Config {
	a.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.Fatal(err)
	}
	return a.on(l, play)
}

// on is raw with a listener.
func (a *arena) on(l net.Listener, play func(w *wire)) session.Config {
	a.Helper()
	playing(a.T, l, func(n int, w *wire) {
		if n > 1 {
			a.Errorf("connection %d to a peer that has been refused", n)
			return
		}
		play(w)
	})
	return session.Config{URL: "ws://" + l.Addr().String() + "/?token=hush", Dialer: a.dialer, DialTimeout: dialTimeout}
}

// refuses is a peer to which no session is opened: Dial ends in time, with an error of the handshake that is typed so, and that
// tells no secret.
func refuses(typed func(err error) bool, cfg func(a *arena) session.Config) hostileRun {
	return func(a *arena) {
		a.Helper()
		ctx, cancel := context.WithTimeout(a.Context(), patience)
		defer cancel()
		start := time.Now()
		s, err := session.Dial(ctx, cfg(a))
		if err == nil {
			closeAtEnd(a.T, s)
			a.Fatal("Dial passed")
		}
		if took := time.Since(start); took > dialTimeout+lateness || a.inside && took > dialTimeout {
			a.Errorf("Dial took %v", took)
		}
		if !isA[*rpc.HandshakeError](err) || !typed(err) || strings.Contains(err.Error(), "hush") {
			a.Errorf("Dial ended with %T: %v", err, err)
		}
	}
}

// hangs is a peer in virtual time that keeps Dial waiting in some way.
func hangs(scheme string, play func(w *wire)) hostileRun {
	return bubble(refuses(timedOut, func(a *arena) session.Config {
		return session.Config{URL: scheme + "://localhost/?token=hush", Dialer: a.dialer, DialTimeout: dialTimeout, NetDial: a.pipe(play)}
	}))
}

// pipe dials a peer in memory.
func (a *arena) pipe(play func(w *wire)) func(context.Context, string, string) (net.Conn, error) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	playing(a.T, l, func(_ int, w *wire) { play(w) })
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		l.conns <- theirs
		return ours, nil
	}
}

// pipeListener accepts what is put into it.
type pipeListener struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func timedOut(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func handshakeFails(error) bool { return true }

// status is a check for an HTTP status.
func status(want int) func(err error) bool {
	return func(err error) bool {
		refusal, ok := errors.AsType[*rpc.HandshakeError](err)
		return ok && refusal.Status == want
	}
}

// answers answers the request of the handshake with lines in which KEY is the right accept key.
func answers(lines ...string) func(w *wire) {
	return func(w *wire) {
		req, err := http.ReadRequest(w.in)
		if err != nil {
			return
		}
		head := strings.ReplaceAll(strings.Join(lines, "\r\n"), "KEY", acceptKey(req))
		_, _ = w.Write([]byte(head + "\r\n\r\n")) // a client that has left is as well
	}
}

// upgrades are the lines of an answer that upgrades.
func upgrades(more ...string) []string {
	return append([]string{
		"HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: KEY",
	}, more...)
}

// endlessly answers with the first line, and then with the next one until the client has left, which it must have done by some
// bytes.
func endlessly(first, next string) func(a *arena) session.Config {
	return func(a *arena) session.Config {
		a.Helper()
		return a.raw(func(w *wire) {
			if _, err := http.ReadRequest(w.in); err != nil {
				return
			}
			if _, err := w.Write([]byte(first)); err != nil {
				return
			}
			for sent := 0; sent < 1<<30; sent += len(next) {
				if _, err := w.Write([]byte(next)); err != nil {
					return
				}
			}
			a.Error("the client has read a gigabyte of the answer")
		})
	}
}

// certified is a TLS server with a certificate for host that ends at end, and a client that trusts it, unless that is changed.
func certified(host string, end time.Duration, change ...func(server, client *tls.Config)) func(a *arena) session.Config {
	return func(a *arena) session.Config {
		a.Helper()
		server, client := transporttest.NewIdentity(a.T, host, time.Now().Add(end))
		for _, f := range change {
			f(server, client)
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", server)
		if err != nil {
			a.Fatal(err)
		}
		cfg := a.on(l, func(w *wire) {
			if _, err := http.ReadRequest(w.in); err == nil {
				a.Error("the client has sent its request to a server that it should not trust")
			}
		})
		cfg.URL = strings.Replace(cfg.URL, "ws", "wss", 1)
		cfg.TLS = client
		return cfg
	}
}

// securely is raw for a client that speaks TLS.
func securely(play func(w *wire)) func(a *arena) session.Config {
	return func(a *arena) session.Config {
		a.Helper()
		cfg := a.raw(play)
		cfg.URL = strings.Replace(cfg.URL, "ws", "wss", 1)
		return cfg
	}
}

// redirected is refused by each status of a redirect, wherever that leads; nobody is asked a second time.
func redirected(code int) hostileRun {
	return func(a *arena) {
		a.Helper()
		var asked atomic.Int64
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			a.Fatal(err)
		}
		playing(a.T, l, func(int, *wire) { asked.Add(1) })
		for _, to := range []string{"ws://" + l.Addr().String(), "http://" + l.Addr().String() + "/hush", "https://" + l.Addr().String(), "//" + l.Addr().String(), "/loop"} {
			refuses(status(code), func(a *arena) session.Config {
				return a.raw(answers(fmt.Sprintf("HTTP/1.1 %d Elsewhere", code), "Location: "+to, "Content-Length: 0"))
			})(a)
		}
		if n := asked.Load(); n != 0 {
			a.Errorf("%d second requests", n)
		}
	}
}

// drips sends b a byte a second.
func drips(w *wire, b []byte) {
	for i := range b {
		if _, err := w.Write(b[i : i+1]); err != nil {
			return
		}
		<-time.After(time.Second)
	}
}

// listens reads until the client has left.
func listens(w *wire) {
	for {
		if _, err := w.in.ReadByte(); err != nil {
			return
		}
	}
}

// hostileOpenings are attacks before there is a session.
var hostileOpenings = []hostile{
	{"certificate of an authority that nobody knows", true, refuses(isA[x509.UnknownAuthorityError], certified("127.0.0.1", time.Hour, func(_, client *tls.Config) {
		client.RootCAs = nil
	}))},
	{"certificate that has ended", true, refuses(isA[x509.CertificateInvalidError], certified("127.0.0.1", -time.Hour))},
	{"certificate that has not begun", true, refuses(isA[x509.CertificateInvalidError], certified("127.0.0.1", 2*366*24*time.Hour))},
	{"certificate of another host", true, refuses(isA[x509.HostnameError], certified("www.deribit.com", time.Hour))},
	{"TLS 1.1, to which the Config would agree", true, refuses(handshakeFails, certified("127.0.0.1", time.Hour, func(server, client *tls.Config) {
		server.MinVersion, server.MaxVersion, client.MinVersion = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS10
	}))},
	{"no TLS at all, where it should be", true, refuses(isA[tls.RecordHeaderError], securely(func(w *wire) {
		_, _ = w.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
		listens(w)
	}))},
	{"TLS alert", true, refuses(handshakeFails, securely(func(w *wire) {
		_, _ = w.Write([]byte{21, 3, 3, 0, 2, 2, 40})
		listens(w)
	}))},
	{"TLS handshake that announces 16 MiB", true, refuses(handshakeFails, securely(func(w *wire) {
		_, _ = w.Write([]byte{22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff})
		for range 1 << 10 {
			if _, err := w.Write(append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 0x4000)...)); err != nil {
				return
			}
		}
	}))},
	{"TLS handshake that does not begin", true, hangs("wss", listens)},
	{"TLS handshake a byte at a time", true, hangs("wss", func(w *wire) {
		go listens(w) // ends with the connection
		drips(w, append([]byte{22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc}, make([]byte, 0x4000)...))
	})},
	{"redirect 301", true, redirected(http.StatusMovedPermanently)},
	{"redirect 302", true, redirected(http.StatusFound)},
	{"redirect 303", true, redirected(http.StatusSeeOther)},
	{"redirect 307", true, redirected(http.StatusTemporaryRedirect)},
	{"redirect 308", true, redirected(http.StatusPermanentRedirect)},
	{"40 URLs", true, urls},
	{"no answer to the handshake", true, hangs("ws", listens)},
	{"answer to the handshake a byte at a time", true, hangs("ws", func(w *wire) {
		if _, err := http.ReadRequest(w.in); err == nil {
			drips(w, []byte(strings.Join(upgrades(), "\r\n")))
		}
	})},
	{"proxy that hangs", true, bubble(refuses(timedOut, func(a *arena) session.Config {
		through := a.pipe(listens)
		return session.Config{
			URL: "wss://www.deribit.com/?token=hush", Dialer: a.dialer, DialTimeout: dialTimeout,
			NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := through(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				if _, err := conn.Write([]byte("CONNECT " + addr + " HTTP/1.1\r\n\r\n")); err != nil {
					return nil, err
				}
				if _, err := conn.Read(make([]byte, 1)); err != nil && ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, errors.New("the proxy has answered")
			},
		}
	}))},
	{"network that hangs", true, bubble(refuses(timedOut, func(a *arena) session.Config {
		return session.Config{
			URL: "wss://www.deribit.com/?token=hush", Dialer: a.dialer, DialTimeout: dialTimeout,
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
	}))},
	{"header without an end", true, refuses(handshakeFails, endlessly("HTTP/1.1 101 Switching Protocols\r\n", "X-Padding: "+strings.Repeat("x", 1000)+"\r\n"))},
	{"header line without an end", true, refuses(handshakeFails, endlessly("HTTP/1.1 101 Switching Protocols\r\nX-Padding: ", strings.Repeat("x", 1000)))},
	{"status line without an end", true, refuses(handshakeFails, endlessly("HTTP/1.1 101 ", strings.Repeat("x", 1000)))},
	{"informational answers without an end", true, refuses(handshakeFails, endlessly("", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"))},
	{"refusal with a body without an end", true, refuses(status(503), endlessly("HTTP/1.1 503 Service Unavailable\r\n\r\n", strings.Repeat("hush", 1000)))},
	{"answer that is no HTTP", true, refuses(handshakeFails, func(a *arena) session.Config { return a.raw(answers("SSH-2.0-OpenSSH_9.2")) })},
	{"answer that upgrades to something else", true, refuses(status(101), func(a *arena) session.Config {
		return a.raw(answers("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c"))
	})},
	{"wrong accept key", true, refuses(status(101), func(a *arena) session.Config {
		return a.raw(answers("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"))
	})},
	{"compression that nobody offered", true, refuses(status(101), func(a *arena) session.Config {
		return a.raw(answers(upgrades("Sec-WebSocket-Extensions: permessage-deflate")...))
	})},
	{"subprotocol that nobody offered", true, refuses(status(101), func(a *arena) session.Config {
		return a.raw(answers(upgrades("Sec-WebSocket-Protocol: fix")...))
	})},
}
