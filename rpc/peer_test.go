package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

var errPeerGone = errors.New("peer: gone")

// request is a frame as a peer reads it.
type request struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      uint64          `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// peer is a Transport in memory, and the other end of it.
//
// By default requests wait in requests until the test reads them. A test that wants to be asked in the middle of
// WriteMessages sets onWrite before it makes the Conn.
type peer struct {
	requests chan request
	incoming chan []byte
	lost     chan error // the next ReadMessage's error
	closed   chan struct{}
	close    sync.Once
	passed   chan struct{}
	onWrite  func(msgs [][]byte) error // instead of requests

	held    chan []request // see hold
	proceed chan struct{}
}

func newPeer() *peer {
	return &peer{
		requests: make(chan request, 4096),
		incoming: make(chan []byte, 4096),
		lost:     make(chan error, 1),
		closed:   make(chan struct{}),
		passed:   make(chan struct{}),
	}
}

func (p *peer) ReadMessage() ([]byte, error) {
	select {
	case msg := <-p.incoming:
		return msg, nil
	default:
	}
	select {
	case msg := <-p.incoming:
		return msg, nil
	case err := <-p.lost:
		return nil, err
	case <-p.closed:
		return nil, errPeerGone
	}
}

func (p *peer) WriteMessages(msgs ...[]byte) error {
	select {
	case <-p.closed:
		return errPeerGone
	default:
	}
	if p.onWrite != nil {
		return p.onWrite(msgs)
	}
	for _, msg := range msgs {
		p.requests <- parseRequest(msg)
	}
	return nil
}

func (p *peer) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

func parseRequest(msg []byte) request {
	var r request
	if err := json.Unmarshal(msg, &r); err != nil {
		panic(fmt.Sprintf("request is not JSON: %v: %s", err, msg))
	}
	return r
}

// send makes the Conn read a frame.
func (p *peer) send(format string, args ...any) { p.incoming <- fmt.Appendf(nil, format, args...) }

// answer answers a request with a result.
func (p *peer) answer(id uint64, result string) {
	p.send(`{"jsonrpc":"2.0","id":%d,"result":%s,"usIn":1700000000000001,"usOut":1700000000000043,"usDiff":42,"testnet":true}`, id, result)
}

// refuse answers a request with an error object.
func (p *peer) refuse(id uint64, code int, message string) {
	p.send(`{"jsonrpc":"2.0","id":%d,"error":{"code":%d,"message":%q,"data":{"reason":"why"}}}`, id, code, message)
}

// barrier returns when the Conn has dealt with all frames that were sent before. The Conn must have p.handle as Handler.
func (p *peer) barrier() {
	p.send(`{"method":"barrier"}`)
	<-p.passed
}

// handle is a Handler that lets barrier pass.
func (p *peer) handle(n rpc.Notification) {
	if string(n.Method) == "barrier" {
		p.passed <- struct{}{}
	}
}

// hold makes each WriteMessages wait for a token in proceed, or for the Conn's end, once its requests are in held.
func (p *peer) hold() {
	p.held, p.proceed = make(chan []request, 64), make(chan struct{})
	p.onWrite = func(msgs [][]byte) error {
		var batch []request
		for _, msg := range msgs {
			batch = append(batch, parseRequest(msg))
		}
		p.held <- batch
		select {
		case <-p.proceed:
			return nil
		case <-p.closed:
			return errPeerGone
		}
	}
}

// echo answers each request with its params, as it is written.
func (p *peer) echo() {
	p.onWrite = func(msgs [][]byte) error {
		for _, msg := range msgs {
			r := parseRequest(msg)
			p.answer(r.ID, string(r.Params))
		}
		return nil
	}
}

// newConn makes a Conn that ends with the test.
func newConn(tb testing.TB, p rpc.Transport, cfg rpc.Config) *rpc.Conn {
	tb.Helper()
	c := rpc.NewConn(p, cfg)
	tb.Cleanup(func() { c.Close() })
	return c
}
