package wsdial

import (
	"fmt"
	"net"
	"sync"

	"github.com/holdfast-ws/holdfast/rpc"
)

// spillControl bounds what a SpillConn keeps besides batches, in bytes. It is hundreds of answers to pings.
const spillControl = 64 << 10

// A SpillConn is a network connection whose writes do not wait for the peer: what the network does not take at once is
// kept, and everything else behind it, and a goroutine that lives only then writes it. It stands below TLS, whose records
// must leave whole and in order.
//
// One goroutine at a time writes. Reading, Flush and Close may happen meanwhile.
type SpillConn struct {
	net.Conn
	try      *attempt // nil if this network cannot be tried: then writes wait
	draining sync.WaitGroup

	mu      sync.Mutex    // leaf; protects the fields below
	started bool          // before that, writes wait
	batch   bool          // what is written belongs to a batch
	kept    []byte        // what the goroutine has not taken
	control int           // bytes of no batch that have not been written: those in kept and those taken
	taken   int           // of control
	drained chan struct{} // closed when nothing is kept any more; nil while nothing is
	err     error         // why nothing more can be written
}

// NewSpillConn returns a SpillConn over conn, whose writes wait until Start.
func NewSpillConn(conn net.Conn) *SpillConn { return &SpillConn{Conn: conn, try: newAttempt(conn)} }

// Start ends the time in which writes wait.
func (c *SpillConn) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = c.try != nil
}

// Write writes p, or keeps what the network does not take of it.
func (c *SpillConn) Write(p []byte) (n int, err error) {
	waits, behind, err := c.state()
	switch {
	case err != nil:
		return 0, err
	case waits:
		return c.Conn.Write(p)
	case !behind:
		if n, err = c.try.write(p); err != nil || n == len(p) {
			return n, err
		}
	}
	if err := c.keep(p[n:]); err != nil {
		return n, err
	}
	return len(p), nil
}

func (c *SpillConn) state() (waits, behind bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.started, c.drained != nil, c.err
}

// keep puts p behind what is kept already.
func (c *SpillConn) keep(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.batch {
		c.control += len(p)
	}
	if c.control > spillControl && c.err == nil {
		c.err = fmt.Errorf("%w: %d KiB of control frames wait for it", rpc.ErrWriteStalled, spillControl>>10)
	}
	if c.err != nil {
		return c.err
	}
	c.kept = append(c.kept, p...)
	if c.drained == nil {
		c.drained = make(chan struct{})
		c.draining.Go(c.drain)
	}
	return nil
}

// drain writes what is kept until nothing is.
func (c *SpillConn) drain() {
	var err error
	for p := c.next(nil); p != nil; p = c.next(err) {
		_, err = c.Conn.Write(p)
	}
}

// next takes what is kept; err is how the last of it was written.
func (c *SpillConn) next(err error) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.control -= c.taken
	p := c.kept
	c.kept, c.taken = nil, c.control
	if len(p) > 0 && c.err == nil {
		return p
	}
	close(c.drained)
	c.drained = nil
	return nil
}

// Begin says that a batch begins: until End, what is kept is bounded by the batch alone.
func (c *SpillConn) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = true
}

// End says that the batch has ended with err, and reports whether Flush has something to wait for.
func (c *SpillConn) End(err error) (left bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = false
	if err == nil && c.err != nil {
		err = fmt.Errorf("websocket: write: %w", c.err)
	}
	return err == nil && c.drained != nil, err
}

// Flush waits until nothing is kept.
func (c *SpillConn) Flush() error {
	if drained := c.wait(); drained != nil {
		<-drained
	}
	if _, _, err := c.state(); err != nil {
		return fmt.Errorf("websocket: write: %w", err)
	}
	return nil
}

func (c *SpillConn) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drained
}

// Close closes the connection, and drops what is kept.
func (c *SpillConn) Close() error {
	c.abandon()
	err := c.Conn.Close()
	c.draining.Wait()
	return err
}

func (c *SpillConn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
}
