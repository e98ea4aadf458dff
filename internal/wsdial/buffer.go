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

// readFrom reads r, which ends or fails by the byte after limit, to its end. The slice is valid until the next readFrom; with
// an error it is what came before it.
func (b *readBuffer) readFrom(r io.Reader, limit int) ([]byte, error) {
	b.fit()
	msg := b.buf[:0]
	b.buf = nil // what msg outgrows is of no use
	for {
		if len(msg) == cap(msg) {
			msg = append(make([]byte, 0, Grown(cap(msg), limit+1)), msg...)
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

// Grown is the size of the buffer that takes the place of one that is full: twice as much, and the most that may be needed as
// soon as that is no more than twice as much again. So while a message is copied from one to the other, both together are no
// longer than one and a half of the longest.
func Grown(size, most int) int {
	if size *= 2; size > most/2 {
		return max(most, size/2+1)
	}
	return size
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
