package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

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
	onWrite  func(msgs [][]byte) error // instead of requests
}

func newPeer() *peer {
	return &peer{
		requests: make(chan request, 4096),
		incoming: make(chan []byte, 4096),
		lost:     make(chan error, 1),
		closed:   make(chan struct{}),
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

// next is the next request.
func (p *peer) next(tb testing.TB) request {
	tb.Helper()
	select {
	case r := <-p.requests:
		return r
	case <-time.After(10 * time.Second):
		tb.Fatal("no request came")
		return request{}
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
