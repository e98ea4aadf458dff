package transporttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/holdfast-ws/holdfast/rpc"
)

// How reading can end, besides close_1000 and its like.
const (
	endBetween   = "cut between messages"
	endInside    = "cut inside a message"
	endTooBig    = "message too big"
	endBinary    = "binary message"
	endViolation = "violation"
)

// ending classifies the error of a ReadMessage.
func ending(err error) string {
	closed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err)
	switch {
	case errors.Is(err, io.EOF):
		return endBetween
	case errors.Is(err, io.ErrUnexpectedEOF):
		return endInside
	case errors.Is(err, rpc.ErrMessageTooBig):
		return endTooBig
	case errors.Is(err, rpc.ErrMalformed):
		return endBinary
	case ok:
		return closed.ErrorType()
	}
	return endViolation
}

// A model reads frames slowly and plainly, as RFC 6455 says.
type model struct {
	wire   []byte // what is still to be read
	limit  uint64
	strict bool // see Subject

	messages []string
	msg      []byte
	size     uint64 // of msg with the frame that is being read
	open     bool
	payload  bool // the end came in the payload of a message
}

// read reads to the end and returns how that came.
func (m *model) read() string {
	for {
		if end := m.frame(); end != "" {
			return end
		}
	}
}

// frame reads one frame and returns how reading ends with it, if it does.
func (m *model) frame() string {
	switch {
	case len(m.wire) == 0 && !m.open, len(m.wire) == 1 && !m.open && !m.strict:
		return endBetween
	case len(m.wire) < 2:
		return endInside
	}
	first, second := m.wire[0], m.wire[1]
	m.payload = false
	f := frame{op: first & 0xf, more: first&0x80 == 0, rsv: first & 0x70}
	if m.strict && (f.rsv != 0 || second&0x80 != 0) {
		return endViolation
	}
	extra := map[byte]int{126: 2, 127: 8}[second&0x7f]
	masked := int(second>>7) * 4
	if len(m.wire) < 2+extra {
		return endInside
	}
	size := uint64(second & 0x7f)
	if extra > 0 {
		size = binary.BigEndian.Uint64(append(make([]byte, 8-extra), m.wire[2:2+extra]...))
	}
	if size < 1<<63 && len(m.wire) < 2+extra+masked {
		return endInside
	}
	shortest := len(f.header(size)) == 2+extra
	if end := m.judge(f, size, shortest); end != "" {
		return end
	}
	m.payload = f.op < opClose
	key := m.wire[2+extra : 2+extra+masked]
	m.wire = m.wire[2+extra+masked:]
	if uint64(len(m.wire)) < size {
		return endInside
	}
	f.payload, m.wire = bytes.Clone(m.wire[:size]), m.wire[size:]
	if f.op == opClose { // the libraries forgive a server's mask; off a message they do not take it
		unmask(f.payload, key)
	}
	return m.take(f)
}

// unmask takes the mask off payload, if key is one.
func unmask(payload, key []byte) {
	for i := range payload {
		if len(key) > 0 {
			payload[i] ^= key[i%len(key)]
		}
	}
}

// judge finds what is wrong with a frame whose payload is of that size.
func (m *model) judge(f frame, size uint64, shortest bool) string {
	control := f.op >= opClose
	switch {
	case f.rsv != 0, f.op > opPong, f.op > opBinary && !control, size > 1<<63-1, m.strict && !shortest:
		return endViolation
	case control && (f.more || size > 125):
		return endViolation
	case control:
		return ""
	case (f.op == opContinuation) != m.open:
		return endViolation
	case f.op == opBinary:
		return endBinary
	case size > m.limit-m.size:
		return endTooBig
	}
	m.size += size
	return ""
}

// take takes a whole correct frame.
func (m *model) take(f frame) string {
	switch f.op {
	case opClose:
		return m.closing(f.payload)
	case opPing, opPong:
		return ""
	}
	m.msg = append(m.msg, f.payload...)
	if m.open = f.more; m.open {
		return ""
	}
	if m.strict && !utf8.Valid(m.msg) {
		return endViolation
	}
	m.messages, m.msg, m.size = append(m.messages, string(m.msg)), nil, 0
	return ""
}

// closing judges a close frame.
func (m *model) closing(payload []byte) string {
	if len(payload) == 0 {
		return "close_1005"
	}
	if len(payload) == 1 || m.strict && !utf8.Valid(payload[2:]) {
		return endViolation
	}
	switch code := binary.BigEndian.Uint16(payload); {
	case code >= 3000 && code <= 4999:
		return fmt.Sprintf("close_%dxxx", code/1000)
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return fmt.Sprintf("close_%d", code)
	}
	return endViolation
}
