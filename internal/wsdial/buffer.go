package wsdial

import (
	"errors"
	"io"
)

// bufferKeep is the size up to which a readBuffer never shrinks, in bytes. It holds all but snapshots of books.
const bufferKeep = 16 << 10

// readBuffer holds one message at a time and grows to the longest. After a long message it shrinks back by halves, as
// shorter ones come: the memory for one giant is not kept for ever, and a stream of giants does not allocate.
type readBuffer struct {
	buf []byte
}

// readFrom reads r, which fails behind the byte over limit if not before, to its end. The slice is valid until the next readFrom;
// with an error it is what came before it.
func (b *readBuffer) readFrom(r io.Reader, limit int) ([]byte, error) {
	b.fit()
	msg := b.buf[:0]
	b.buf = nil // what msg outgrows is of no use
	for {
		if len(msg) == cap(msg) {
			msg = append(make([]byte, 0, Grown(cap(msg), limit+2)), msg...)
		}
		n, err := r.Read(msg[len(msg):cap(msg)])
		msg = msg[:len(msg)+n]
		if err != nil {
			b.buf = msg
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return msg, err
		}
	}
}

// Grown is the size of the buffer that takes the place of one that is full: twice as much up to a quarter of the most that may be
// needed, and then that. So while a message is copied from one to the other, both together are a quarter longer than the longest.
func Grown(size, most int) int {
	if quarter := most / 4; size < quarter {
		return min(2*size, quarter)
	}
	return max(most, size+1)
}

// fit prepares the buffer for the next message, in the light of the last one.
func (b *readBuffer) fit() {
	switch size := cap(b.buf); {
	case size == 0:
		b.buf = make([]byte, 0, bufferKeep)
	case size > bufferKeep && len(b.buf) < size/4:
		b.buf = make([]byte, 0, max(size/2, bufferKeep))
	}
}
