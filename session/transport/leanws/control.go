package leanws

import (
	"encoding/binary"
	"net"
	"time"
)

// The reader never writes, since a peer that does not read would hold it up: it leaves control frames with the writer,
// and a goroutine that lives until they are written.

// closeTimeout bounds Close.
const closeTimeout = time.Second

// control is the control frames that wait to be written: the answer to the latest ping, then a close frame.
type control struct {
	pinged  bool
	ping    [maxControl]byte
	length  int    // of the ping's payload
	goodbye uint16 // the close frame's code, 0 for none
	reason  error  // why it is sent
}

// answerPing has the ping answered, without waiting. If pings come faster than answers leave, only the latest is.
func (w *writer) answerPing(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting.pinged = true
	w.waiting.length = copy(w.waiting.ping[:], payload)
	w.setOutLocked()
}

// sayGoodbye has a close frame sent, without waiting, unless there is nothing to say. Whoever writes afterwards meets reason, too:
// reader and writers may end the connection in any order, and the first to do so says why.
func (w *writer) sayGoodbye(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if code := closeCode(reason); code != 0 {
		w.waiting.goodbye, w.waiting.reason = code, reason
		w.setOutLocked()
	}
}

func (w *writer) setOutLocked() {
	if !w.queued && !w.finished {
		w.queued = true
		w.flushing.Go(w.writeWaiting)
	}
}

// writeWaiting writes control frames until none waits. It goes on only when they have left: what comes in the meantime
// takes no more memory than one of them.
func (w *writer) writeWaiting() {
	for more := true; more; more = w.more() {
		w.writeControl()
		_ = w.conn.Raw.Flush() // if it fails, so does the next write
	}
}

func (w *writer) more() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued = w.waiting.pinged || w.waiting.goodbye != 0
	return w.queued
}

// writeControl writes the control frames that wait.
func (w *writer) writeControl() {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	b := batch{w: w, buf: w.buf}
	c := w.takeControl()
	if c.pinged {
		b.add(opPong, c.ping[:c.length])
	}
	if c.goodbye != 0 {
		b.add(opClose, closePayload(c.goodbye))
	}
	b.flush()
	if c.goodbye != 0 && w.err == nil {
		w.err = c.reason
	}
}

func (w *writer) takeControl() control {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.waiting
	w.waiting = control{}
	return c
}

func closePayload(code uint16) []byte {
	if code == codeNone {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, code)
}

// close sends a close frame, unless one was sent, and closes the connection.
func (w *writer) close() {
	// Whatever holds the turn or a lock of TLS ends with the connection below.
	watchdog := time.AfterFunc(closeTimeout, func() { w.conn.Raw.Close() })
	defer watchdog.Stop()
	w.finish()
	w.writeControl()
	_ = w.conn.Raw.Flush() // what was kept has its second too
	w.conn.Close()
	w.flushing.Wait()
}

// finish is the last to leave a close frame, unless one waits, with the reason that later writes meet: RFC 6455, section 5.5.1, has
// nothing sent behind it.
func (w *writer) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
	if w.waiting.goodbye == 0 {
		w.waiting.goodbye, w.waiting.reason = codeNormal, net.ErrClosed
	}
}
