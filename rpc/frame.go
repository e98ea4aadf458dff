package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
)

const (
	framePrefix = `{"jsonrpc":"2.0","id":`
	maxIDDigits = 16 // ids stay below 2^53
	headroom    = len(framePrefix) + maxIDDigits

	keepBuffer     = 64 << 10 // a longer buffer is not kept for the next call
	sensitiveSpace = 4 << 10  // so that a secret's buffer need not move while it grows
)

// frame is the text of a request. It is encoded before its id is known: the head is put before the rest by seal.
type frame struct {
	buf       []byte
	start     int // of the message in buf
	sensitive bool
}

var frames = sync.Pool{New: func() any { return &frame{buf: make([]byte, headroom, 512)} }}

// newFrame returns an empty frame for a call. That of a sensitive call has memory of its own.
func newFrame(cl *call) *frame {
	if cl.sensitive {
		return &frame{buf: make([]byte, headroom, sensitiveSpace), sensitive: true}
	}
	f, _ := frames.Get().(*frame)
	f.buf = f.buf[:headroom]
	return f
}

// release gives the frame back; nobody may use it any more.
func (f *frame) release() {
	if f.sensitive {
		clear(f.buf[:cap(f.buf)])
		return
	}
	if cap(f.buf) <= keepBuffer {
		frames.Put(f)
	}
}

// seal completes the frame with its id.
func (f *frame) seal(id uint64) {
	var digits [maxIDDigits + 4]byte
	d := strconv.AppendUint(digits[:0], id, 10)
	f.start = headroom - len(d) - len(framePrefix)
	copy(f.buf[f.start:], framePrefix)
	copy(f.buf[headroom-len(d):], d)
}

func (f *frame) message() []byte { return f.buf[f.start:] }

// encode makes the frame of a call, all but its id.
func (c *Conn) encode(cl *call, params any) (*frame, error) {
	f := newFrame(cl)
	f.buf = append(f.buf, `,"method":`...)
	f.buf = appendString(f.buf, cl.method)
	f.buf = append(f.buf, `,"params":`...)
	if err := c.encodeParams(f, params); err != nil {
		f.release()
		return nil, err
	}
	f.buf = append(f.buf, '}')
	return f, nil
}

func (c *Conn) encodeParams(f *frame, params any) error {
	if params == nil {
		f.buf = append(f.buf, "{}"...)
		return nil
	}
	start := len(f.buf)
	var err error
	if a, ok := params.(Appender); ok {
		var buf []byte
		if buf, err = a.AppendJSON(f.buf); err == nil {
			f.buf = buf
		}
	} else {
		err = c.marshalParams(f, params)
	}
	if err != nil {
		return encodeError(f, err)
	}
	switch text := f.buf[start:]; {
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return nil
	case bytes.Equal(text, []byte("null")): // of a nil pointer or map
		f.buf = append(f.buf[:start], "{}"...)
		return nil
	}
	return fmt.Errorf("%w: neither an object nor an array", ErrEncode)
}

func (c *Conn) marshalParams(f *frame, params any) error {
	text, err := c.cfg.Codec.Marshal(params)
	if err != nil {
		return err
	}
	f.buf = append(f.buf, text...)
	if f.sensitive {
		clear(text)
	}
	return nil
}

// encodeError hides a sensitive reason: it may quote what did not encode.
func encodeError(f *frame, err error) error {
	if f.sensitive {
		return fmt.Errorf("%w: %T", ErrEncode, err)
	}
	return fmt.Errorf("%w: %w", ErrEncode, err)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			text, _ := json.Marshal(s) // of a string never fails
			return append(dst, text...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
