package leanws

import (
	crypto "crypto/rand"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

const (
	bufferOwn   = 4 << 10  // the write buffer of each connection, in bytes
	bufferLarge = 64 << 10 // how much leaves in one write at most
)

// large are the buffers for batches that do not fit into a connection's own.
var large = sync.Pool{New: func() any { return new([bufferLarge]byte) }}

// writer is shared by the goroutine that writes messages and those that write control frames.
type writer struct {
	conn wsdial.Conn
	turn chan struct{} // holds a token while somebody writes, who owns the next three
	keys *rand.ChaCha8 // masking keys
	buf  []byte        // for what is not large
	err  error         // why nothing more can be written

	flushing sync.WaitGroup // those who write control frames, but for Close

	mu       sync.Mutex // leaf; protects the fields below
	waiting  control
	queued   bool // somebody is on the way to write what waits
	finished bool // nobody may set out any more
}

func (w *writer) init(conn wsdial.Conn) {
	var seed [32]byte
	crypto.Read(seed[:]) // never fails
	w.conn = conn
	w.turn = make(chan struct{}, 1)
	w.keys = rand.NewChaCha8(seed)
	w.buf = make([]byte, bufferOwn)
}

// WriteMessages implements [rpc.Transport].
func (t *transport) WriteMessages(msgs ...[]byte) error {
	left, err := t.TryWriteMessages(msgs...)
	if left {
		return t.Flush()
	}
	return err
}

// TryWriteMessages implements [rpc.Flusher]: each message is one frame, and a batch leaves in one write per 64 KiB, over
// TLS per record of 16 KiB.
func (t *transport) TryWriteMessages(msgs ...[]byte) (left bool, err error) {
	t.out.conn.Raw.Begin()
	if err = t.out.write(msgs); err != nil {
		err = fmt.Errorf("websocket: write: %w", err)
	}
	return t.out.conn.Raw.End(err)
}

// Flush implements [rpc.Flusher].
func (t *transport) Flush() error { return t.out.conn.Raw.Flush() }

func (w *writer) write(msgs [][]byte) error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	b := batch{w: w, buf: w.buf}
	if !fits(msgs, len(w.buf)) {
		if pooled, ok := large.Get().(*[bufferLarge]byte); ok {
			defer large.Put(pooled)
			b.buf = pooled[:]
		}
	}
	for _, msg := range msgs {
		b.add(opText, msg)
	}
	b.flush()
	return w.err
}

// fits reports whether the frames of msgs surely fit into size bytes.
func fits(msgs [][]byte, size int) bool {
	for _, msg := range msgs {
		size -= len(msg) + maxClientHeader
	}
	return size >= 0
}

// batch gathers frames and writes them. It belongs to whoever has the turn.
type batch struct {
	w   *writer
	buf []byte
	n   int
}

// add gathers a frame; what does not fit makes room by leaving.
func (b *batch) add(opcode byte, payload []byte) {
	if len(b.buf)-b.n < maxClientHeader {
		b.flush()
	}
	key := b.w.key()
	b.n += putHeader(b.buf[b.n:], opcode, len(payload), key)
	for {
		part := payload[:min(len(payload), len(b.buf)-b.n)]
		key = mask(b.buf[b.n:], part, key)
		b.n += len(part)
		if payload = payload[len(part):]; len(payload) == 0 {
			return
		}
		b.flush()
	}
}

// flush writes what was gathered; after an error it drops it.
func (b *batch) flush() {
	if b.n > 0 && b.w.err == nil {
		_, b.w.err = b.w.conn.Write(b.buf[:b.n])
	}
	b.n = 0
}

// key returns the next masking key: RFC 6455, section 5.3, wants it unpredictable, and from a strong source.
func (w *writer) key() uint32 { return uint32(w.keys.Uint64() >> 32) }
