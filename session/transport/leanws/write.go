package leanws

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// chunkSize is how much leaves in one write at most, in bytes.
const chunkSize = 64 << 10

// chunks are the buffers of writes under way: a connection that does not write keeps none.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

var errCloseSent = errors.New("connection is closing")

// writer is shared by the goroutine that writes messages and those that write control frames.
type writer struct {
	conn wsdial.Conn
	turn chan struct{} // holds a token while somebody writes; whoever put it there owns keys, used and err
	keys [256]byte     // masking keys, drawn in bulk
	used int           // bytes of keys
	err  error         // why nothing more can be written

	closeOnce sync.Once
	flushing  sync.WaitGroup

	mu       sync.Mutex // leaf; protects the fields below
	pinged   bool
	ping     []byte // the payload of the latest ping, which is still to be answered if pinged
	goodbye  int    // the code of a close frame that is still to be sent, or 0
	queued   bool   // somebody is on the way to write the control frames
	finished bool   // no flush may begin any more
}

func (w *writer) init(conn wsdial.Conn) {
	w.conn = conn
	w.turn = make(chan struct{}, 1)
	w.used = len(w.keys)
}

// WriteMessages implements [rpc.Transport]: each message is one frame, and a batch leaves in one write per 64 KiB, over
// TLS per record of 16 KiB.
func (t *transport) WriteMessages(msgs ...[]byte) error {
	if err := t.out.write(msgs); err != nil {
		return fmt.Errorf("websocket: write: %w", err)
	}
	return nil
}

func (w *writer) write(msgs [][]byte) error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	c := chunk{w: w, buf: chunks.Get().(*[chunkSize]byte)}
	defer chunks.Put(c.buf)
	for _, msg := range msgs {
		c.frame(opText, msg)
	}
	c.flush()
	return w.err
}

// chunk gathers frames and writes them. It belongs to whoever has the turn.
type chunk struct {
	w   *writer
	buf *[chunkSize]byte
	n   int
}

func (c *chunk) frame(opcode byte, payload []byte) {
	if len(c.buf)-c.n < clientExtra {
		c.flush()
	}
	key := c.w.key()
	c.n += putHeader(c.buf[c.n:], opcode, len(payload), key)
	for {
		part := payload[:min(len(payload), len(c.buf)-c.n)]
		key = mask(c.buf[c.n:], part, key)
		c.n += len(part)
		if payload = payload[len(part):]; len(payload) == 0 {
			return
		}
		c.flush()
	}
}

// flush writes what was gathered; after an error it drops it.
func (c *chunk) flush() {
	if c.n > 0 && c.w.err == nil {
		_, c.w.err = c.w.conn.Write(c.buf[:c.n])
	}
	c.n = 0
}

// key returns the next masking key: RFC 6455, section 5.3, wants each from a strong source of entropy.
func (w *writer) key() uint32 {
	if w.used == len(w.keys) {
		rand.Read(w.keys[:]) // never fails
		w.used = 0
	}
	key := binary.LittleEndian.Uint32(w.keys[w.used:])
	w.used += 4
	return key
}

// answerPing has the ping answered, without waiting. If pings come faster than answers leave, only the latest is.
func (w *writer) answerPing(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pinged, w.ping = true, append(w.ping[:0], payload...)
	w.startFlushLocked()
}

// sayGoodbye has a close frame sent, without waiting. Code 0 is for nothing to say.
func (w *writer) sayGoodbye(code int) {
	if code == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.goodbye = code
	w.startFlushLocked()
}

func (w *writer) startFlushLocked() {
	if !w.queued && !w.finished {
		w.queued = true
		w.flushing.Go(w.flush)
	}
}

// flush writes the control frames that wait.
func (w *writer) flush() {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	c := chunk{w: w, buf: chunks.Get().(*[chunkSize]byte)}
	defer chunks.Put(c.buf)
	code := c.takeControl()
	c.flush()
	if code != 0 && w.err == nil {
		w.err = errCloseSent
	}
}

// takeControl gathers the control frames that wait, and returns the code of the close frame if one is among them.
func (c *chunk) takeControl() (code int) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued = false
	if w.pinged {
		c.frame(opPong, w.ping)
		w.pinged = false
	}
	if code = w.goodbye; code != 0 {
		c.frame(opClose, closePayload(code))
		w.goodbye = 0
	}
	return code
}

func closePayload(code int) []byte {
	if code == codeNone {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, uint16(code))
}

func (w *writer) close() {
	w.closeOnce.Do(func() {
		// Whatever holds the turn or a lock of TLS ends with the connection below.
		watchdog := time.AfterFunc(closeTimeout, func() { w.conn.Raw.Close() })
		defer watchdog.Stop()
		w.finish()
		w.flush()
		w.conn.Close()
		w.flushing.Wait()
	})
}

func (w *writer) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
	if w.goodbye == 0 {
		w.goodbye = codeNormal
	}
}
