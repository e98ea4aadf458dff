package wsdial

import "net"

// aheadSize is how much a readAhead asks for at once, in bytes.
const aheadSize = 32 << 10

// readAhead reads more than it is asked for while more is waiting, so that one system call brings many messages: the
// libraries read through 4 KiB of their own. A connection on which little comes at a time needs no buffer.
type readAhead struct {
	conn net.Conn
	buf  []byte // nil until it is needed
	rest []byte // of buf, not yet handed on
	more bool   // the last read got all that was asked for
}

// Read reads from the connection. Bytes that come together with the end are returned without it: the next Read meets it
// again.
func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if !r.more || len(p) >= aheadSize {
			return r.direct(p)
		}
		if err := r.refill(len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *readAhead) direct(p []byte) (int, error) {
	n, err := r.conn.Read(p)
	r.more = n == len(p)
	if n > 0 {
		return n, nil
	}
	return n, err
}

func (r *readAhead) refill(wanted int) error {
	if r.buf == nil {
		r.buf = make([]byte, aheadSize)
	}
	n, err := r.conn.Read(r.buf)
	r.rest, r.more = r.buf[:n], n > wanted
	if n > 0 {
		return nil
	}
	return err
}
