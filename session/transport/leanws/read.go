package leanws

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	bufferStart = 4 << 10  // the read buffer of a connection that is mostly idle, in bytes
	bufferKeep  = 32 << 10 // the size up to which it never shrinks
)

// reader is the reading goroutine's.
type reader struct {
	src        io.Reader
	limit      int64  // of a message
	buf        []byte // buf[start:end] was read and is not yet consumed
	start, end int
	parts      []byte // what came of the message whose fragments are coming
	open       bool   // fragments are coming
	err        error  // how reading ended
}

// ReadMessage implements [rpc.Transport].
func (t *transport) ReadMessage() ([]byte, error) {
	if t.in.err != nil {
		return nil, t.in.err
	}
	for {
		msg, err := t.next()
		if err != nil {
			t.in.err = fmt.Errorf("websocket: read: %w", err)
			t.out.sayGoodbye(closeCode(err))
			return nil, t.in.err
		}
		if msg != nil {
			return msg, nil
		}
	}
}

// next consumes one frame, and returns the message that it completes, if it does.
func (t *transport) next() ([]byte, error) {
	h, payload, err := t.in.frame()
	if err != nil {
		return nil, err
	}
	switch h.opcode {
	case opPing:
		t.out.answerPing(payload)
		return nil, nil
	case opPong:
		return nil, nil
	case opClose:
		return nil, closedByPeer(payload)
	}
	return t.in.assemble(h, payload)
}

// frame returns the next frame. Its payload is valid until the next call.
func (r *reader) frame() (header, []byte, error) {
	for {
		h, err := parseHeader(r.buf[r.start:r.end])
		if err != nil {
			return header{}, nil, err
		}
		need := 0
		if h.size > 0 {
			if err := r.admit(h); err != nil {
				return header{}, nil, err
			}
			need = h.size + int(h.length)
			if r.end-r.start >= need {
				payload := r.buf[r.start+h.size : r.start+need : r.start+need]
				r.start += need
				return h, payload, nil
			}
		}
		if err := r.fill(need); err != nil {
			return header{}, nil, err
		}
	}
}

// admit judges a frame by its header, before its payload is read.
func (r *reader) admit(h header) error {
	switch {
	case h.opcode > opPong || h.opcode > opBinary && h.opcode < opClose:
		return errOpcode
	case h.opcode >= opClose && (!h.final || h.length > maxControl):
		return errControl
	case h.opcode >= opClose:
		return nil
	case (h.opcode == opContinuation) != r.open:
		return errFragment
	case h.opcode == opBinary:
		return errBinary
	case h.length > uint64(r.limit-int64(len(r.parts))):
		return &violation{code: codeTooBig, err: fmt.Errorf("%w: longer than %d bytes", rpc.ErrMessageTooBig, r.limit)}
	}
	return nil
}

// assemble returns the message that the frame completes.
func (r *reader) assemble(h header, payload []byte) ([]byte, error) {
	msg := payload
	if !h.final || r.open {
		r.parts = append(r.parts, payload...)
		r.open = !h.final
		if r.open {
			return nil, nil
		}
		msg = r.parts
		r.parts = r.parts[:0]
	}
	if !utf8.Valid(msg) {
		return nil, errNotUTF8
	}
	return msg, nil
}

// fill reads more. The frame in the buffer, as far as it is known, needs that many bytes.
func (r *reader) fill(need int) error {
	r.fit(need)
	n, err := io.ReadAtLeast(r.src, r.buf[r.end:], 1)
	r.end += n
	if errors.Is(err, io.EOF) && (r.end > 0 || r.open) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fit moves what is not consumed to the front of a buffer of the size that is due, and leaves room behind it. The buffer
// doubles when the last read filled it, and so grows only as bytes arrive; what a giant needed goes by halves.
func (r *reader) fit(need int) {
	rest := r.buf[r.start:r.end]
	size := max(len(r.buf), bufferStart)
	switch full := r.end == len(r.buf); {
	case len(rest) == size, full && len(r.buf) > 0 && size < bufferKeep:
		size *= 2
	case size > bufferKeep && need < size/4:
		size /= 2
	}
	to := r.buf
	if size != len(r.buf) {
		to = make([]byte, size)
	}
	r.start, r.end, r.buf = 0, copy(to, rest), to
}
