package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-ws/holdfast/rpc"
)

// exchange answers whatever a session asks, in memory. It is a Dialer with one connection at a time.
type exchange struct {
	mu          sync.Mutex // protects the fields below
	conn        *exchangeConn
	sent, recvd int // bytes, as the client sees them
}

func (e *exchange) Dial(context.Context, rpc.DialConfig) (rpc.Transport, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = &exchangeConn{exchange: e, incoming: make(chan []byte, 64), closed: make(chan struct{})}
	return e.conn, nil
}

// push sends a notification.
func (e *exchange) push(channel, data string) {
	e.mu.Lock()
	conn := e.conn
	e.mu.Unlock()
	conn.incoming <- fmt.Appendf(nil,
		`{"jsonrpc":"2.0","method":"subscription","params":{"channel":%q,"data":%s}}`, channel, data)
}

// cut ends the connection as a network does.
func (e *exchange) cut() {
	e.mu.Lock()
	conn := e.conn
	e.mu.Unlock()
	_ = conn.Close() // it never fails
}

// traffic is how many bytes of messages the client has sent and received.
func (e *exchange) traffic() (sent, received int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return int64(e.sent), int64(e.recvd)
}

func (e *exchange) count(sent, received int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent += sent
	e.recvd += received
}

// exchangeConn is the client's side of a connection.
type exchangeConn struct {
	exchange *exchange
	incoming chan []byte
	once     sync.Once
	closed   chan struct{}
}

func (c *exchangeConn) ReadMessage() ([]byte, error) {
	select {
	case msg := <-c.incoming:
		c.exchange.count(0, len(msg))
		return msg, nil
	case <-c.closed:
		return nil, errors.New("cut, and the reason quotes hunter2")
	}
}

func (c *exchangeConn) WriteMessages(msgs ...[]byte) error {
	for _, msg := range msgs {
		c.exchange.count(len(msg), 0)
		var request struct {
			ID     uint64
			Method string
			Params struct{ Channels []string }
		}
		if err := json.Unmarshal(msg, &request); err != nil {
			return err
		}
		if result := answer(request.Method, request.Params.Channels); result != "" {
			c.incoming <- fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"result":%s,"usDiff":250}`, request.ID, result)
		}
	}
	return nil
}

func (c *exchangeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// answer is the result of a method, empty for one that is never answered.
func answer(method string, channels []string) string {
	switch method {
	case "public/auth":
		return `{"access_token":"hunter2","refresh_token":"hunter2","expires_in":900,"scope":"connection mainaccount",` +
			`"token_type":"bearer"}`
	case "public/subscribe", "private/subscribe":
		echo, err := json.Marshal(slices.Sorted(slices.Values(channels)))
		if err != nil {
			return ""
		}
		return string(echo)
	case "private/get_positions", "private/logout":
		return ""
	}
	return `"ok"`
}
