package main

import (
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// What a call weighs on the wire here, about, with its frames and what TCP does not count.
const (
	requestBytes = 165
	replyBytes   = 480
)

// cutListener gives each connection a number of bytes, after which it breaks: in the middle of whatever is under way.
type cutListener struct {
	*net.TCPListener
	calls int // about how many a connection lives
}

// Accept implements [net.Listener].
func (l cutListener) Accept() (net.Conn, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c := &cutConn{TCPConn: conn, abrupt: rand.IntN(2) == 0}
	life := float64(l.calls) * (0.5 + rand.Float64())
	c.readable.Store(1 << 62)
	c.writable.Store(1 << 62)
	if rand.IntN(2) == 0 {
		c.readable.Store(int64(life * requestBytes))
	} else {
		c.writable.Store(int64(life * replyBytes))
	}
	return c, nil
}

// cutConn breaks once so many bytes were read, or written.
type cutConn struct {
	*net.TCPConn
	abrupt             bool // by a reset, not an end
	readable, writable atomic.Int64
}

// Read implements [net.Conn].
func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b[:c.allowed(&c.readable, len(b))])
	if c.readable.Add(-int64(n)) <= 0 {
		c.cut()
	}
	return n, err
}

// Write implements [net.Conn].
func (c *cutConn) Write(b []byte) (int, error) {
	allowed := c.allowed(&c.writable, len(b))
	n, err := c.TCPConn.Write(b[:allowed])
	if c.writable.Add(-int64(n)) <= 0 {
		c.cut()
		if err == nil && n < len(b) {
			err = net.ErrClosed
		}
	}
	return n, err
}

func (c *cutConn) allowed(left *atomic.Int64, n int) int {
	return int(max(0, min(left.Load(), int64(n))))
}

func (c *cutConn) cut() {
	if c.abrupt {
		_ = c.SetLinger(0) // closed by the peer already, if it fails
	}
	_ = c.Close() // the cut is all that is wanted
}
