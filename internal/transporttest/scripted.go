package transporttest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// scripted is a connection whose other end answers the handshake, sends wire and is gone. It ignores the rest that it
// is sent, and needs no goroutine.
type scripted struct {
	net.Conn
	wire        []byte
	endWithData bool // the last bytes come together with io.EOF
	answerSize  int  // how much of the handshake's answer comes; if it is not acceptanceSize, wire does not

	once     sync.Once
	answered chan struct{}
	in       bytes.Buffer // what there is to read once answered is closed
}

func newScripted(wire []byte) *scripted {
	return &scripted{wire: wire, answerSize: acceptanceSize, answered: make(chan struct{})}
}

func (c *scripted) dial(context.Context, string, string) (net.Conn, error) { return c, nil }

func (c *scripted) Write(p []byte) (int, error) {
	var err error
	c.once.Do(func() { err = c.answer(p) })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *scripted) answer(request []byte) error {
	defer close(c.answered)
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		return fmt.Errorf("scripted: request: %w", err)
	}
	c.in.WriteString(acceptance(req)[:c.answerSize])
	if c.answerSize == acceptanceSize {
		c.in.Write(c.wire)
	}
	return nil
}

func (c *scripted) Read(p []byte) (int, error) {
	<-c.answered
	n, err := c.in.Read(p)
	if err == nil && c.endWithData && c.in.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

func (*scripted) Close() error { return nil }
