package wsdial

import (
	"net"
	"sync"
	"sync/atomic"
)

// corkKeep is the largest buffer that a corkConn keeps, and how much it gathers before it writes, in bytes.
const corkKeep = 64 << 10

// corkConn is a connection that gathers writes while it is corked, so that many frames leave in one system call.
// It stands above TLS: a batch becomes one record, and a frame that somebody else writes meanwhile is ordered by TLS.
type corkConn struct {
	net.Conn            // the stream of frames
	raw      *SpillConn // below TLS; the same as Conn without TLS
	in       readAhead
	ended    atomic.Bool
	turn     chan struct{} // holds a token while somebody writes to Conn

	mu     sync.Mutex // leaf: never held while writing
	corked bool
	buf    []byte
}

// Read reads from the connection, and remembers when it has ended.
func (c *corkConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

func newCorkConn(conn net.Conn, raw *SpillConn) *corkConn {
	return &corkConn{Conn: conn, raw: raw, in: readAhead{conn: conn}, turn: make(chan struct{}, 1)}
}

// Write gathers p if the connection is corked, and writes it at once otherwise.
func (c *corkConn) Write(p []byte) (int, error) {
	if c.gather(p) {
		return len(p), nil
	}
	return c.writeNow(p)
}

// writeNow waits for its turn on a channel, not on the locks inside Conn: in a synctest bubble time passes meanwhile.
func (c *corkConn) writeNow(p []byte) (int, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return c.Conn.Write(p)
}

func (c *corkConn) gather(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked {
		c.buf = append(c.buf, p...)
	}
	return c.corked
}

// cork has the following writes gathered until uncork. It must be called between frames.
func (c *corkConn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
}

// gathered returns how many bytes wait for uncork.
func (c *corkConn) gathered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.buf)
}

// uncork writes what was gathered. It must be called between frames, by the goroutine that corked: a frame written by
// another one goes either into the batch or, whole, before or after it.
func (c *corkConn) uncork() error {
	batch := c.take()
	if len(batch) == 0 {
		return nil
	}
	_, err := c.writeNow(batch)
	c.giveBack(batch)
	return err
}

func (c *corkConn) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.buf
	c.corked, c.buf = false, nil
	return batch
}

func (c *corkConn) giveBack(batch []byte) {
	if cap(batch) > corkKeep {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = batch[:0]
}
