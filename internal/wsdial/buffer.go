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

// readFrom reads r to its end. The slice is valid until the next readFrom; with an error it is what came before it.
func (b *readBuffer) readFrom(r io.Reader) ([]byte, error) {
	b.fit()
	msg := b.buf[:0]
	for {
		if len(msg) == cap(msg) {
			msg = append(msg, 0)[:len(msg)]
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

// fit prepares the buffer for the next message, in the light of the last one.
func (b *readBuffer) fit() {
	switch size := cap(b.buf); {
	case size == 0:
		b.buf = make([]byte, 0, bufferKeep)
	case size > bufferKeep && len(b.buf) < size/4:
		b.buf = make([]byte, 0, max(size/2, bufferKeep))
	}
}
