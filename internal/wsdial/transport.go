package wsdial

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// What RFC 6455 and both libraries call these numbers.
const (
	opText       = 1
	statusNormal = 1000
)

// closeTimeout bounds the close handshake.
const closeTimeout = time.Second

// libraryBuffer is the size of the libraries' write buffer: they write a longer message piece by piece.
const libraryBuffer = 4096

// maxFrameHeader is the size of the longest header of a client's frame.
const maxFrameHeader = 14

// endless is the only context that reaches a library after the handshake: both libraries close the connection when the
// context of one Reader or Write ends.
var endless = context.Background() //nolint:forbidigo // a caller's context would end the connection of all others

// Library is the part of a WebSocket library's connection that a Transport drives. M is its message type, S its status
// code.
type Library[M, S ~int] interface {
	Reader(ctx context.Context) (M, io.Reader, error)
	Write(ctx context.Context, typ M, p []byte) error
	Close(code S, reason string) error
	SetReadLimit(n int64)
}

// CloseStatus returns the code of the close frame that err reports, or -1.
type CloseStatus[S ~int] func(err error) S

// Transport is an [rpc.Flusher] over a library's connection.
type Transport[C Library[M, S], M, S ~int] struct {
	lib    C
	status CloseStatus[S]
	conn   *corkConn
	limit  int64
	in     readBuffer // of the reading goroutine

	closed atomic.Bool
	gone   chan struct{} // closed when Close is done
}

// ReadMessage implements [rpc.Transport]. A binary message is an error that matches [rpc.ErrMalformed]; a connection
// cut inside a message is one that matches [io.ErrUnexpectedEOF], and one cut between messages [io.EOF].
func (t *Transport[C, M, S]) ReadMessage() ([]byte, error) {
	typ, r, err := t.lib.Reader(endless)
	if err != nil {
		return nil, t.readError(err)
	}
	if typ != opText {
		return nil, t.readError(fmt.Errorf("%w: binary message", rpc.ErrMalformed))
	}
	msg, err := t.in.readFrom(r, int(min(t.limit, math.MaxInt-2)))
	switch {
	case err != nil && int64(len(msg)) > t.limit: // the library has told the peer
		return nil, t.readError(fmt.Errorf("%w: longer than %d bytes", rpc.ErrMessageTooBig, t.limit))
	case err != nil:
		return nil, t.readError(err)
	case t.conn.ended.Load():
		// Both libraries take a cut between two reads for the end of the message.
		return nil, t.readError(io.ErrUnexpectedEOF)
	}
	return msg, nil
}

func (t *Transport[C, M, S]) readError(err error) error {
	if code := int(t.status(err)); code >= 0 {
		err = Closed(code, err)
	}
	return fmt.Errorf("websocket: read: %w", err)
}

// WriteMessages implements [rpc.Transport].
func (t *Transport[C, M, S]) WriteMessages(msgs ...[]byte) error {
	left, err := t.TryWriteMessages(msgs...)
	if left {
		return t.Flush()
	}
	return err
}

// TryWriteMessages implements [rpc.Flusher]: each message is one frame, and a batch leaves in one write per 64 KiB, over
// TLS per record of 16 KiB.
func (t *Transport[C, M, S]) TryWriteMessages(msgs ...[]byte) (left bool, err error) {
	t.conn.raw.Begin()
	return t.conn.raw.End(t.writeAll(msgs))
}

// Flush implements [rpc.Flusher].
func (t *Transport[C, M, S]) Flush() error { return t.conn.raw.Flush() }

func (t *Transport[C, M, S]) writeAll(msgs [][]byte) error {
	if len(msgs) == 1 && len(msgs[0]) <= libraryBuffer-maxFrameHeader {
		return t.write(msgs[0]) // the library itself makes one write of it
	}
	for len(msgs) > 0 {
		n, err := t.writeSome(msgs)
		if err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// writeSome writes the first of msgs, and as many more as still find room in one write; it returns how many.
func (t *Transport[C, M, S]) writeSome(msgs [][]byte) (n int, err error) {
	t.conn.cork()
	for n < len(msgs) && err == nil && t.conn.gathered() < corkKeep {
		err = t.write(msgs[n])
		n++
	}
	if flushErr := t.conn.uncork(); err == nil && flushErr != nil {
		err = fmt.Errorf("websocket: write: %w", flushErr)
	}
	return n, err
}

func (t *Transport[C, M, S]) write(msg []byte) error {
	if err := t.lib.Write(endless, opText, msg); err != nil {
		return fmt.Errorf("websocket: write: %w", err)
	}
	return nil
}

// Close implements [rpc.Transport]. It tries a close handshake for at most a second; that the peer does not answer is no
// error.
func (t *Transport[C, M, S]) Close() error {
	if t.closed.Swap(true) {
		<-t.gone // not a sync.Once, which would hold up the clock of a synctest bubble
		return nil
	}
	// Whatever the library waits for, a frame, a lock or TLS, ends with the connection below.
	watchdog := time.AfterFunc(closeTimeout, func() { t.conn.raw.Close() })
	defer watchdog.Stop()
	_ = t.lib.Close(statusNormal, "") // says only how the handshake went; the connection is closed either way
	close(t.gone)
	return nil
}
