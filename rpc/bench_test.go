package rpc_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
)

// mirror is a Transport that answers every request at once, and allocates nothing once it runs.
type mirror struct {
	mu      sync.Mutex // protects the fields below
	replies []byte
	ends    []int // of each reply in replies
	closed  bool

	wake   chan struct{} // of 1
	reader struct {      // of ReadMessage
		replies []byte
		ends    []int
		start   int
		next    int // in ends
	}
}

const mirrorHead = len(`{"jsonrpc":"2.0","id":`)

func newMirror() *mirror { return &mirror{wake: make(chan struct{}, 1)} }

func (m *mirror) WriteMessages(msgs ...[]byte) error {
	m.mu.Lock()
	for _, msg := range msgs {
		m.replies = append(m.replies, `{"jsonrpc":"2.0","id":`...)
		for _, b := range msg[mirrorHead:] {
			if b == ',' {
				break
			}
			m.replies = append(m.replies, b)
		}
		m.replies = append(m.replies, `,"result":{"order_id":"ETH-349249","price":207.3},"usIn":1700000000000001,`...)
		m.replies = append(m.replies, `"usOut":1700000000000043,"usDiff":42,"testnet":true}`...)
		m.ends = append(m.ends, len(m.replies))
	}
	m.mu.Unlock()
	m.signal()
	return nil
}

func (m *mirror) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mirror) ReadMessage() ([]byte, error) {
	r := &m.reader
	for r.next == len(r.ends) {
		if !m.swap() {
			return nil, errPeerGone
		}
	}
	msg := r.replies[r.start:r.ends[r.next]]
	r.start = r.ends[r.next]
	r.next++
	return msg, nil
}

// swap takes all replies that there are, or waits for some.
func (m *mirror) swap() bool {
	r := &m.reader
	m.mu.Lock()
	closed := m.closed
	if len(m.ends) > 0 {
		r.replies, m.replies = m.replies, r.replies[:0]
		r.ends, m.ends = m.ends, r.ends[:0]
		r.start, r.next = 0, 0
	}
	m.mu.Unlock()
	if r.next == len(r.ends) && !closed {
		<-m.wake
	}
	return r.next < len(r.ends) || !closed
}

func (m *mirror) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.signal()
	return nil
}

// order is an Appender, as an engine would have.
type order struct{}

func (order) AppendJSON(dst []byte) ([]byte, error) {
	return append(dst, `{"instrument_name":"ETH-PERPETUAL","amount":40,"type":"market","label":"market0000234"}`...), nil
}

func BenchmarkCallRaw(b *testing.B) {
	b.Run("callers=1", func(b *testing.B) {
		c := newConn(b, newMirror(), rpc.Config{})
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = callRaw(b, c, dst[:0])
		}
	})
	b.Run("callers=64", func(b *testing.B) {
		c := newConn(b, newMirror(), rpc.Config{})
		b.ReportAllocs()
		b.SetParallelism(max(64/runtime.GOMAXPROCS(0), 1))
		b.RunParallel(func(pb *testing.PB) {
			var dst []byte
			for pb.Next() {
				dst = callRaw(b, c, dst[:0])
			}
		})
		s := c.Stats()
		b.ReportMetric(float64(s.Sent)/float64(s.Writes), "frames/write")
	})
}

func callRaw(b *testing.B, c *rpc.Conn, dst []byte) []byte {
	b.Helper()
	dst, err := c.CallRaw(b.Context(), "private/buy", order{}, dst)
	if err != nil {
		b.Error(err)
	}
	return dst
}
