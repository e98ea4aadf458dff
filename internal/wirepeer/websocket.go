package wirepeer

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// serveWebSocket serves one WebSocket connection.
func serveWebSocket(conn net.Conn) error {
	br := bufio.NewReader(conn)
	req, err := http.ReadRequest(br)
	if err != nil {
		return err
	}
	result := orderResult()
	if asked := req.URL.Query().Get("result"); asked != "" {
		size, err := strconv.Atoi(asked)
		if err != nil {
			return err
		}
		result = resultOf(size)
	}
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	hash := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + guid)) //nolint:gosec // RFC 6455 asks for it
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(hash[:]))
	if err != nil {
		return err
	}
	c := newClient(conn, result)
	early, err := br.Peek(br.Buffered())
	if err != nil {
		return err
	}
	c.end = copy(c.in, early)
	return c.serve()
}

// client is one WebSocket connection.
type client struct {
	conn       net.Conn
	in         []byte // in[start:end] has come and is not served yet
	start, end int
	message    []byte // of a fragmented message: what has come of it
	out        []byte // to be written once all that has come is served
	rest       []byte // of each answer, from its id on
	book       book
}

func newClient(conn net.Conn, result []byte) *client {
	return &client{conn: conn, in: make([]byte, pieceSize), rest: answerRest(result)}
}

// serve answers until the connection ends: one read, all answers to what it brought, one write.
func (c *client) serve() error {
	for {
		need, err := c.serveFrames()
		if flushErr := c.flush(); err == nil {
			err = flushErr
		}
		if err != nil {
			return err
		}
		c.makeRoom(need)
		n, err := c.conn.Read(c.in[c.end:])
		if err != nil {
			return err
		}
		c.end += n
	}
}

// serveFrames serves the frames that have come whole, and returns how many bytes the next one needs.
func (c *client) serveFrames() (need int, err error) {
	for {
		f, size, whole, err := parseFrame(c.in[c.start:c.end])
		if err != nil || !whole {
			return size, err
		}
		c.start += size
		if err := c.serveFrame(f); err != nil {
			return 0, err
		}
	}
}

// makeRoom moves what has come of a frame to the start of the buffer, and sees that all of it will fit.
func (c *client) makeRoom(need int) {
	if c.start == c.end || c.start+need > len(c.in) {
		in := c.in
		if need > len(in) {
			in = make([]byte, need+pieceSize)
		}
		c.end = copy(in, c.in[c.start:c.end])
		c.start, c.in = 0, in
	}
}

func (c *client) serveFrame(f frame) error {
	switch f.opcode {
	case opText, opBinary:
		if f.final {
			return c.serveRequest(f.payload)
		}
		c.message = append(c.message[:0], f.payload...)
	case opContinuation:
		if len(c.message)+len(f.payload) > maxMessage {
			return errFrame
		}
		c.message = append(c.message, f.payload...)
		if f.final {
			return c.serveRequest(c.message)
		}
	case opPing:
		const opPong = 10
		c.out = append(appendHeader(c.out, opPong, len(f.payload)), f.payload...)
	case opClose:
		c.out = append(appendHeader(c.out, opClose, len(f.payload)), f.payload...)
		return io.EOF
	}
	return nil
}

// flush writes what has been gathered.
func (c *client) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}
