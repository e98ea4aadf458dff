package deribittest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxDiscard is the largest message that is read to its end to be refused; a larger one closes the connection.
const maxDiscard = 64 << 20

// outgoing is a message that waits to be written.
type outgoing struct {
	method string
	data   []byte
	after  func() // runs under Server.mu once the message was written, or never will be
}

// conn is one WebSocket connection. Three goroutines serve it: the reader (the handler's own), the writer and the minder,
// which watches its clocks. The handler joins the other two.
type conn struct {
	id     uint64
	server *Server
	ip     string
	ws     *websocket.Conn
	wire   *wire
	ctx    context.Context //nolint:containedctx // the connection's life, not a call's
	cut    context.CancelFunc
	wake   chan struct{} // there is something to write, or to close
	mind   chan struct{} // a clock was changed
	done   chan struct{} // closed when the handler has joined everything

	connState // guarded by Server.mu
}

// connState is what the exchange knows of a connection.
type connState struct {
	grant    *grant   // what the last public/auth gave; nil before
	grants   []*grant // what it got so far
	subs     map[subKey]*subscription
	cod      bool    // cancel on disconnect
	accounts []int64 // the accounts that it had authority for
	gone     bool    // it left the exchange
	queue    []outgoing
	queued   int        // bytes in queue
	held     []outgoing // replies that others may overtake
	heldOf   category
	late     []lateReply
	replies  uint64 // replies so far, which with the seed choose those held

	isBehind bool // what is caused by the call that is served comes behind its reply
	caused   []caused
	chances  uint64 // so far, as replies
	closing  websocket.StatusCode
	reason   string
	clocks
}

// push queues a message and reports whether the connection took it. A reader that is too slow is dropped.
func (c *conn) push(m outgoing) bool {
	if c.gone || c.closing != 0 {
		m.finish()
		return false
	}
	c.queue = append(c.queue, m)
	c.queued += len(m.data)
	if c.queued > c.server.cfg.SendBuffer {
		c.server.ex.stats.TooSlow++
		c.cut()
		c.server.ex.leave(c)
		return false
	}
	signal(c.wake)
	return true
}

func (m outgoing) finish() {
	if m.after != nil {
		m.after()
	}
}

// closeLater closes the connection once everything queued is written. Nothing more is taken from it, or queued.
func (c *conn) closeLater(code websocket.StatusCode, reason string) {
	if c.closing != 0 || c.gone {
		return
	}
	c.release()
	c.closing, c.reason = code, reason
	c.closeBy = time.Now().Add(closeGrace)
	signal(c.wake)
	signal(c.mind)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// serveWebSocket upgrades a request and serves the connection until it ends.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	c, status := s.admit(r)
	if c == nil {
		http.Error(w, http.StatusText(status), status)
		return
	}
	defer s.running.Done()
	defer close(c.done)
	defer s.locked(func(ex *exchange) { ex.leave(c) })
	defer c.cut()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered the request
	}
	ws.SetReadLimit(maxDiscard)
	c.ws = ws
	var helpers sync.WaitGroup
	helpers.Go(c.write)
	helpers.Go(c.watch)
	c.read()
	c.cut()
	s.locked(func(ex *exchange) { ex.leave(c) })
	helpers.Wait()
	_ = ws.CloseNow() // closed already: this joins what the library runs
}

// read handles messages until the connection ends.
func (c *conn) read() {
	for {
		kind, r, err := c.ws.Reader(c.ctx)
		if err != nil {
			return
		}
		data, tooLarge, err := readLimited(r)
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			c.server.locked(func(*exchange) { c.closeLater(websocket.StatusUnsupportedData, "text expected") })
			continue
		}
		m, fault := message{}, newError(codeTooLarge, "request entity too large") // without an id, as the exchange does
		if !tooLarge {
			m, fault = parseMessage(data)
		}
		c.server.handle(c, data, m, fault)
	}
}

// readLimited reads one message. Of a message that is too large it reads on to the end and returns the beginning.
func readLimited(r io.Reader) (data []byte, tooLarge bool, err error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, maxRequest+1))
	if err != nil || n <= maxRequest {
		return buf.Bytes(), false, err
	}
	_, err = io.Copy(io.Discard, r)
	return buf.Bytes(), true, err
}

// write writes what is queued, in order, until the connection is cut or closed.
func (c *conn) write() {
	for {
		batch, code, reason := c.take()
		switch {
		case len(batch) > 0:
			if !c.writeAll(batch) {
				c.cut()
				return
			}
		case code != 0:
			_ = c.ws.Close(code, reason) // the peer may be gone already
			c.cut()
			return
		default:
			select {
			case <-c.wake:
			case <-c.ctx.Done():
				return
			}
		}
	}
}

func (c *conn) take() ([]outgoing, websocket.StatusCode, string) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	batch := c.queue
	c.queue, c.queued = nil, 0
	return batch, c.closing, c.reason
}

// writeAll reports whether the whole batch was written. What waits for a message of it runs in any case.
func (c *conn) writeAll(batch []outgoing) bool {
	var err error
	var written uint64
	for i := range batch {
		m := &batch[i]
		if err == nil {
			err = c.writeOne(m)
		}
		if err == nil {
			written++
		}
		if m.after != nil {
			c.server.locked(func(*exchange) { m.after() })
		}
	}
	c.server.locked(func(ex *exchange) { ex.stats.FramesOut += written })
	return err == nil
}

func (c *conn) writeOne(m *outgoing) error {
	if on := c.server.cfg.OnFrame; on != nil {
		on(Frame{Conn: c.id, Method: m.method, Data: m.data})
	}
	return c.ws.Write(c.ctx, websocket.MessageText, m.data)
}

// remoteIP returns the address of a request without its port.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
