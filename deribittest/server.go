package deribittest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	websocketPath = "/ws/api/v2"
	restPath      = "/api/v2"
)

// Server is a running exchange. Its methods may be called from any goroutine.
type Server struct {
	cfg      Config
	listener net.Listener
	wires    *wires // over listener
	http     *http.Server
	running  sync.WaitGroup // every goroutine of the server, and its HTTP connections
	stop     chan struct{}
	news     chan struct{} // there are faults to tell

	mu     sync.Mutex // protects what follows, and every connState
	ex     *exchange
	closed bool
}

// New starts a server. The error is that of listening.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if cfg.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener on loopback has nothing to wait for
		if err != nil {
			return nil, fmt.Errorf("deribittest: listen: %w", err)
		}
		cfg.Listener = l
	}
	s := &Server{cfg: cfg, listener: cfg.Listener, stop: make(chan struct{}), news: make(chan struct{}, 1)}
	s.wires = &wires{Listener: s.listener, server: s}
	s.ex = newExchange(s, time.Now())
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, ConnState: countHTTP(&s.running), ConnContext: withWire,
		ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong is theirs to tell
	}
	var served net.Listener = s.wires
	if cfg.TLS != nil {
		served = tls.NewListener(served, cfg.TLS)
	}
	s.running.Go(func() { _ = s.http.Serve(served) }) // it ends with ErrServerClosed
	if cfg.Tick > 0 {
		s.running.Go(s.move)
	}
	if cfg.OnFault != nil {
		s.running.Go(s.tell)
	}
	if cfg.Chaos != nil {
		s.running.Go(func() { s.wreak(*cfg.Chaos) })
	}
	return s, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(websocketPath, s.serveWebSocket)
	mux.HandleFunc(websocketPath+"/{$}", s.serveWebSocket) // as in the default address of clients in use
	mux.HandleFunc(restPath, s.serveREST)
	mux.HandleFunc(restPath+"/", s.serveREST)
	return mux
}

// countHTTP keeps the HTTP connections' goroutines in running, as net/http does not join them. A hijacked connection is
// counted by its own handler.
func countHTTP(running *sync.WaitGroup) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			running.Add(1)
		case http.StateClosed, http.StateHijacked:
			running.Done()
		case http.StateActive, http.StateIdle:
		}
	}
}

// Close ends every connection abruptly, closes the listener and waits until every goroutine of the server has ended. It may
// be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	for _, c := range s.ex.conns {
		c.cut()
	}
	s.mu.Unlock()
	err := s.http.Close()
	s.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("deribittest: close: %w", err)
	}
	return nil
}

// URL returns the address of the WebSocket API: ws://host:port/ws/api/v2, or wss with Config.TLS.
func (s *Server) URL() string { return s.scheme("ws") + s.listener.Addr().String() + websocketPath }

// RESTURL returns the address of the REST API: http://host:port/api/v2, or https with Config.TLS.
func (s *Server) RESTURL() string { return s.scheme("http") + s.listener.Addr().String() + restPath }

func (s *Server) scheme(name string) string {
	if s.cfg.TLS != nil {
		name += "s"
	}
	return name + "://"
}

// locked runs f on the exchange's state.
func (s *Server) locked(f func(*exchange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.ex)
}

// move moves the market until the server closes.
func (s *Server) move() {
	t := time.NewTicker(s.cfg.Tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.Tick()
		case <-s.stop:
			return
		}
	}
}

// Tick moves the market once, at the present time, unless there is maintenance.
func (s *Server) Tick() {
	s.locked(func(ex *exchange) {
		if ex.platform.Maintenance {
			return
		}
		ex.market.Tick(ex.now())
		ex.deliver()
	})
}

// admit makes the connection of a WebSocket request, unless its address holds too many, or there is maintenance, or the server
// closes. Then it returns the status that says so.
func (s *Server) admit(r *http.Request) (*conn, int) {
	ctx, cut := context.WithCancel(context.WithoutCancel(r.Context()))
	c := &conn{
		server: s, ip: remoteIP(r), wire: wireOf(r), ctx: ctx, cut: cut,
		wake: make(chan struct{}, 1), mind: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusServiceUnavailable
	if !s.closed && !s.ex.platform.Maintenance {
		status = s.ex.enter(c, time.Now())
	}
	if status != http.StatusSwitchingProtocols {
		cut()
		return nil, status
	}
	s.running.Add(1)
	return c, status
}

// SetReset changes what the next resets do.
func (s *Server) SetReset(p ResetProfile) {
	s.locked(func(ex *exchange) { ex.cfg.Reset = p })
}

// CutConnections breaks every WebSocket connection without a closing handshake, and returns when they have ended.
func (s *Server) CutConnections() {
	var cut []*conn
	s.locked(func(ex *exchange) {
		for _, c := range ex.conns {
			c.cut()
			cut = append(cut, c)
		}
	})
	for _, c := range cut {
		<-c.done
	}
}
