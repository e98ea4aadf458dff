package leanws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	bufferStart = 4 << 10  // the read buffer of a connection that is mostly idle, in bytes
	bufferKeep  = 32 << 10 // the size up to which it never shrinks

	beyondLimit = maxServerHeader + maxControl // what the buffer must hold besides the longest message
)

// reader is the reading goroutine's.
type reader struct {
	src        io.Reader
	limit      int    // of a message, in bytes
	buf        []byte // buf[start:end] was read and is not yet consumed
	start, end int
	last       int   // the size of the last frame, in bytes
	open       bool  // fragments are coming
	held       int   // the message whose fragments are coming is buf[:held] so far
	err        error // how reading ended
}

// ReadMessage implements [rpc.Transport].
func (t *transport) ReadMessage() ([]byte, error) {
	for t.in.err == nil {
		if t.closed.Load() {
			t.in.err = fmt.Errorf("websocket: read: %w", net.ErrClosed)
			break
		}
		msg, whole, err := t.next()
		if err != nil {
			t.in.err = fmt.Errorf("websocket: read: %w", err)
			t.out.sayGoodbye(t.in.err)
			break
		}
		if whole {
			return msg, nil
		}
	}
	return nil, t.in.err
}

// next consumes one frame, and returns the message if that makes one whole.
func (t *transport) next() (msg []byte, whole bool, err error) {
	h, payload, err := t.in.frame()
	if err != nil {
		return nil, false, err
	}
	switch h.opcode {
	case opPing:
		t.out.answerPing(payload)
		return nil, false, nil
	case opPong:
		return nil, false, nil
	case opClose:
		return nil, false, closedByPeer(payload)
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
			need = h.size + h.length
			if r.end-r.start >= need {
				r.last = need
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
	case h.length > r.limit-r.held:
		return &violation{code: codeTooBig, err: fmt.Errorf("%w: longer than %d bytes", rpc.ErrMessageTooBig, r.limit)}
	}
	return nil
}

// assemble returns the message if the frame makes it whole. Fragments are put together where they stand: what was read of a
// message is in front of what comes of it.
func (r *reader) assemble(h header, payload []byte) (msg []byte, whole bool, err error) {
	msg = payload
	if !h.final || r.open {
		msg = append(r.buf[:r.held], payload...)
		if r.held, r.open = len(msg), !h.final; r.open {
			return nil, false, nil
		}
		r.held = 0
	}
	if !isASCII(msg) && !utf8.Valid(msg) {
		return nil, false, errNotUTF8
	}
	return msg, true, nil
}

// isASCII spares most messages the slower walk of utf8.Valid.
func isASCII(p []byte) bool {
	var seen uint64
	word := binary.LittleEndian
	for len(p) >= 32 {
		seen |= word.Uint64(p) | word.Uint64(p[8:]) | word.Uint64(p[16:]) | word.Uint64(p[24:])
		p = p[32:]
	}
	for _, b := range p {
		seen |= uint64(b)
	}
	return seen&0x8080808080808080 == 0
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

// fit moves what is not consumed to the front of a buffer of the size that is due, behind what is held, and leaves room behind
// it. The buffer grows when the last read filled it, and so only as bytes arrive; what a giant needed goes by halves.
func (r *reader) fit(need int) {
	rest := r.buf[r.start:r.end]
	size := max(len(r.buf), bufferStart)
	switch full := r.end == len(r.buf); {
	case r.held+len(rest) == size, full && len(r.buf) > 0 && size < bufferKeep:
		size = wsdial.Grown(size, max(bufferKeep, r.limit+beyondLimit))
	case size > bufferKeep && r.held+max(need, r.last) < size/4:
		size = max(size/2, bufferKeep)
	}
	to := r.buf
	switch {
	case size != len(r.buf):
		to = make([]byte, size)
		copy(to, r.buf[:r.held])
	case r.start == r.held:
		return
	}
	r.start, r.end, r.buf = r.held, r.held+copy(to[r.held:], rest), to
}
