package wsdial

import (
	"crypto/tls"
	"io"
	"net"
)

// The bounds that the tests measure against.
const (
	BufferKeep   = bufferKeep
	CorkKeep     = corkKeep
	SpillControl = spillControl
)

// ReadBuffer is a readBuffer.
type ReadBuffer struct{ readBuffer }

// ReadMessage reads one message of no more than BufferLimit bytes.
func (b *ReadBuffer) ReadMessage(r io.Reader) ([]byte, error) { return b.readFrom(r, BufferLimit) }

// BufferLimit is the longest message of a ReadBuffer, in bytes.
const BufferLimit = 4 << 20

// Size is the memory that the buffer holds, in bytes.
func (b *ReadBuffer) Size() int { return cap(b.buf) }

// Cork is a corkConn.
type Cork struct{ *corkConn }

// NewCork returns a Cork over conn.
func NewCork(conn net.Conn) Cork { return Cork{newCorkConn(conn, NewSpillConn(conn))} }

// Cork has writes gathered.
func (c Cork) Cork() { c.cork() }

// Uncork writes what was gathered.
func (c Cork) Uncork() error { return c.uncork() }

// Kept is the size of the buffer that waits for the next batch, in bytes.
func (c Cork) Kept() int { return cap(c.buf) }

// Parse checks a URL and returns the address to dial and the text to show.
func Parse(raw string) (addr, shown string, err error) {
	u, err := parse(raw)
	if err != nil {
		return "", display(u), err
	}
	return address(u), display(u), nil
}

// TLSConfig completes base for host.
func TLSConfig(base *tls.Config, host string) *tls.Config { return tlsConfig(base, host) }

// AheadSize is how much a ReadAhead asks for at once.
const AheadSize = aheadSize

// ReadAhead is a readAhead.
type ReadAhead struct{ readAhead }

// NewReadAhead returns a ReadAhead over conn.
func NewReadAhead(conn net.Conn) *ReadAhead { return &ReadAhead{readAhead{conn: conn}} }

// Kept is the memory that the buffer holds, in bytes.
func (r *ReadAhead) Kept() int { return cap(r.buf) }
