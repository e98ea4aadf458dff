package deribittest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// wires is a listener whose connections faults can befall.
type wires struct {
	net.Listener

	server  *Server
	segment atomic.Bool // what is written to connections to come is taken apart
}

// Accept implements [net.Listener].
func (l *wires) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, server: l.server, closed: make(chan struct{})}
	if l.segment.Load() {
		w.crumble()
		l.server.locked(func(ex *exchange) { ex.fired(Fault{Kind: Segment}) })
	}
	return w, nil
}

// wire is the server's end of a connection. It can stall, and write one byte at a time.
type wire struct {
	net.Conn

	server    *Server
	crumbling atomic.Bool
	closed    chan struct{}
	reads     sync.WaitGroup // under way

	mu      sync.Mutex    // protects what follows
	stalled chan struct{} // closed when the stall is over; nil without one
	hurried bool          // there is a deadline for writing
	gone    bool          // closed is
}

// wireKey is the context key of a request's wire.
type wireKey struct{}

func withWire(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, wireKey{}, c)
}

// wireOf returns the wire that a request came over. One that came over another server's has none that could be harmed.
func wireOf(r *http.Request) *wire {
	w, ok := r.Context().Value(wireKey{}).(*wire)
	if !ok {
		return &wire{closed: make(chan struct{})}
	}
	return w
}

// Read implements [net.Conn]. What came in before the stall's end is not seen before it.
func (w *wire) Read(p []byte) (int, error) {
	if !w.enter() {
		return 0, net.ErrClosed
	}
	n, err := w.Conn.Read(p)
	w.reads.Done()
	w.await()
	return n, err
}

// enter counts a read, unless the connection is closed.
func (w *wire) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gone {
		w.reads.Add(1)
	}
	return !w.gone
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	switch {
	case w.hopeless():
		return 0, os.ErrDeadlineExceeded
	case !w.await():
		return 0, net.ErrClosed
	}
	if !w.crumbling.Load() {
		return w.Conn.Write(p)
	}
	for i := range p {
		if _, err := w.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// SetWriteDeadline implements [net.Conn]. On a stalled connection no deadline is met: only TLS has one, for its farewell.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	w.hurried = !t.IsZero()
	w.mu.Unlock()
	return w.Conn.SetWriteDeadline(t)
}

func (w *wire) hopeless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hurried && w.stalled != nil
}

// crumble has all that is written from now on arrive in pieces of one byte.
func (w *wire) crumble() {
	if m, ok := w.Conn.(*memoryConn); ok {
		m.out.crumble()
		return
	}
	w.crumbling.Store(true)
}

// stall stops both ways for a time, 0 for good, and reports false if they are stopped already, or closed.
func (w *wire) stall(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled != nil || w.gone {
		return false
	}
	over := make(chan struct{})
	w.stalled = over
	if d > 0 {
		time.AfterFunc(d, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			close(over)
			w.stalled = nil
		})
	}
	return true
}

// await waits until no stall is in the way, and reports false if the connection is closed instead.
func (w *wire) await() bool {
	for {
		w.mu.Lock()
		stalled, gone := w.stalled, w.gone
		w.mu.Unlock()
		if stalled == nil || gone {
			return !gone
		}
		select {
		case <-stalled:
		case <-w.closed:
		case <-w.server.stop:
			return false
		}
	}
}

// Close implements [net.Conn]. The peer of a stalled connection is not told: to it the socket is half-open.
func (w *wire) Close() error {
	w.mu.Lock()
	stalled, gone := w.stalled, w.gone
	w.gone = true
	w.mu.Unlock()
	if gone {
		return net.ErrClosed
	}
	close(w.closed)
	if stalled == nil {
		return w.Conn.Close()
	}
	err := w.Conn.SetDeadline(time.Unix(1, 0)) // what is under way ends
	w.linger(stalled)
	return err
}

// linger closes the socket once its peer has closed it, the stall is over, or the server closes.
func (w *wire) linger(stalled <-chan struct{}) {
	parted := make(chan struct{})
	w.server.running.Go(func() {
		defer close(parted)
		w.reads.Wait()
		_ = w.Conn.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, w.Conn) // until its end, however that comes
	})
	w.server.running.Go(func() {
		select {
		case <-parted:
		case <-stalled:
		case <-w.server.stop:
		}
		_ = w.Conn.Close() // nobody is left to tell
	})
}
