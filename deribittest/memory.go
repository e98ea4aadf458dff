package deribittest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memoryBuffer is how many bytes one direction of a memory connection holds before its writer waits.
const memoryBuffer = 64 << 10

// MemoryListener is a net.Listener without a network: DialContext gives the client's end of a buffered connection to
// Accept. It waits on channels only, so that it works inside a testing/synctest bubble, in which it has to be made.
type MemoryListener struct {
	accepted  chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once
}

// NewMemoryListener returns an open listener.
func NewMemoryListener() *MemoryListener {
	return &MemoryListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to the listener, whatever network and address are given. It fails with net.ErrClosed after Close,
// and with the context's error when ctx ends first.
func (l *MemoryListener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	up, down := newStream(), newStream()
	client := &memoryConn{in: down, out: up}
	server := &memoryConn{in: up, out: down}
	select {
	case l.accepted <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr{}, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr{}, Err: ctx.Err()}
	}
}

// Accept returns the server's end of the next connection, or net.ErrClosed.
func (l *MemoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "memory", Addr: memoryAddr{}, Err: net.ErrClosed}
	}
}

// Close ends Accept and DialContext. Connections stay open.
func (l *MemoryListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr returns a loopback address, so that the server's URLs are well formed. Nothing listens there.
func (l *MemoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "127.0.0.1:1" }

// memoryConn is one end of a connection: it reads one stream and writes the other.
type memoryConn struct {
	in, out           *stream
	readDue, writeDue deadline
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p, c.readDue.expired()) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p, c.writeDue.expired()) }

func (c *memoryConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *memoryConn) LocalAddr() net.Addr  { return memoryAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr{} }

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.readDue.set(t)
	c.writeDue.set(t)
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.readDue.set(t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.writeDue.set(t)
	return nil
}

// stream carries bytes one way.
type stream struct {
	mu      sync.Mutex // protects what follows
	buf     []byte
	closed  bool
	crumbs  bool          // a read takes one byte
	changed chan struct{} // closed and replaced at each change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) changedLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.changedLocked()
	}
}

func (s *stream) crumble() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crumbs = true
}

// read returns what is buffered, also after close; then io.EOF.
func (s *stream) read(p []byte, expired <-chan struct{}) (int, error) {
	for {
		select {
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		n, changed, err := s.tryRead(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-changed:
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (s *stream) tryRead(p []byte) (int, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crumbs {
		p = p[:min(1, len(p))]
	}
	n := copy(p, s.buf)
	s.buf = s.buf[n:]
	if n > 0 {
		s.changedLocked()
		return n, nil, nil
	}
	if s.closed {
		return 0, nil, io.EOF
	}
	return 0, s.changed, nil
}

func (s *stream) write(p []byte, expired <-chan struct{}) (int, error) {
	written := 0
	for {
		select {
		case <-expired:
			return written, os.ErrDeadlineExceeded
		default:
		}
		n, changed, err := s.tryWrite(p[written:])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
		select {
		case <-changed:
		case <-expired:
			return written, os.ErrDeadlineExceeded
		}
	}
}

func (s *stream) tryWrite(p []byte) (int, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, nil, io.ErrClosedPipe
	}
	n := min(len(p), memoryBuffer-len(s.buf))
	s.buf = append(s.buf, p[:n]...)
	if n > 0 {
		s.changedLocked()
	}
	return n, s.changed, nil
}

// deadline is a channel that closes when a time has come. The zero value never does.
type deadline struct {
	mu    sync.Mutex // protects what follows
	timer *time.Timer
	ch    chan struct{}
}

// expired returns the channel that closes at the deadline in force; nil while none was ever set.
func (d *deadline) expired() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

// set moves the deadline; the zero time removes it. It reaches reads and writes under way.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		d.ch = nil // it fired, or is about to: later calls need a new channel
	}
	d.timer = nil
	select {
	case <-d.ch:
		d.ch = nil
	default:
	}
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	ch := d.ch
	d.timer = time.AfterFunc(time.Until(t), func() { close(ch) })
}
