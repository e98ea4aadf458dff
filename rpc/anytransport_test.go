package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// moody is a transport that takes a batch at once, or later, or fails, and a peer that answers early, late, out of order
// or never. It holds the Conn to the contract of rpc.Flusher.
type moody struct {
	t       *testing.T
	in      chan []byte
	closed  chan struct{}
	once    sync.Once
	writing atomic.Bool // somebody is in TryWriteMessages, or what it left has not been flushed
	left    atomic.Bool
	peer    sync.WaitGroup
	mortal  bool // it may fail

	mu   sync.Mutex // protects the fields below
	rng  *rand.Rand
	seen map[string]bool // methods
	ids  map[uint64]bool
}

func newMoody(t *testing.T, seed uint64, mortal bool) *moody {
	t.Helper()
	return &moody{
		t: t, in: make(chan []byte, 1<<14), closed: make(chan struct{}), mortal: mortal,
		rng: rand.New(rand.NewPCG(seed, 1)), seen: map[string]bool{}, ids: map[uint64]bool{},
	}
}

// ticks are so coarse that many things happen at the same time.
// No wait of none is asked for: timers of a bubble that are due as they are made crash the race detector (golang/go#78156).
func ticks(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// draw is a number below n.
func (m *moody) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

// ReadMessage implements rpc.Transport.
func (m *moody) ReadMessage() ([]byte, error) {
	select {
	case msg := <-m.in:
		return msg, nil
	case <-m.closed:
		return nil, errPeerGone
	}
}

// WriteMessages implements rpc.Transport.
func (m *moody) WriteMessages(...[]byte) error {
	m.t.Error("a Flusher is tried")
	return errPeerGone
}

// TryWriteMessages implements rpc.Flusher.
func (m *moody) TryWriteMessages(msgs ...[]byte) (left bool, err error) {
	if m.writing.Swap(true) {
		m.t.Error("two writers at once")
	}
	if m.left.Load() {
		m.t.Error("a write before what was left has been flushed")
	}
	defer m.writing.Store(false)
	if m.draw(4) == 0 {
		<-time.After(ticks(1 + m.draw(4)))
	}
	for _, msg := range msgs {
		m.receive(msg)
	}
	switch {
	case m.mortal && m.draw(300) == 0:
		return false, errPeerGone
	case m.draw(2) == 0:
		m.left.Store(true)
		return true, nil
	}
	return false, nil
}

// receive notes a request and answers it.
func (m *moody) receive(msg []byte) {
	r := parseRequest(msg)
	m.mu.Lock()
	if m.seen[r.Method] || m.ids[r.ID] {
		m.t.Errorf("%s or its id comes twice", r.Method)
	}
	m.seen[r.Method], m.ids[r.ID] = true, true
	m.mu.Unlock()
	answer := fmt.Appendf(nil, `{"id":%d,"result":%s}`, r.ID, r.Params)
	switch m.draw(8) {
	case 0, 1:
		m.deliver(answer)
	case 2: // twice
		m.deliver(answer)
		m.deliver(answer)
	default:
		wait := ticks(1 + m.draw(20))
		m.peer.Go(func() {
			<-time.After(wait)
			m.deliver(answer)
		})
	}
}

func (m *moody) deliver(msg []byte) {
	select {
	case m.in <- msg:
	case <-m.closed:
	}
}

// Flush implements rpc.Flusher.
func (m *moody) Flush() error {
	if !m.left.Load() || m.writing.Load() {
		m.t.Error("a flush of nothing, or during a write")
	}
	select {
	case <-time.After(ticks(1 + m.draw(4))):
	case <-m.closed:
		return errPeerGone
	}
	m.left.Store(false)
	if m.mortal && m.draw(100) == 0 {
		return errPeerGone
	}
	return nil
}

// Close implements rpc.Transport.
func (m *moody) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

// balance counts the calls that have begun and ended.
type balance struct{ begun, ended atomic.Int64 }

func (b *balance) CallStart(ctx context.Context, _ rpc.CallInfo) context.Context {
	b.begun.Add(1)
	return ctx
}
func (b *balance) CallEnd(context.Context, rpc.CallInfo, rpc.CallEnd) { b.ended.Add(1) }
func (b *balance) Stray(rpc.Stray)                                    {}

// TestAnyTransport has callers of all kinds share a connection over a moody transport, which in every second run may fail.
func TestAnyTransport(t *testing.T) {
	t.Parallel()
	for run := range 4 {
		seed, mortal := rand.Uint64(), run%2 == 1
		t.Logf("run %d has the seed %d", run, seed)
		synctest.Test(t, func(t *testing.T) {
			m, b := newMoody(t, seed, mortal), &balance{}
			c := newConn(t, m, rpc.Config{Lane: laneByName, Observer: b})
			var wg sync.WaitGroup
			for caller := range 24 {
				rng := rand.New(rand.NewPCG(seed, uint64(caller)))
				wg.Go(func() {
					for round := range 50 {
						m.call(c, rng, fmt.Sprintf("lane/%d/%d/%d", rng.IntN(5), caller, round))
					}
				})
			}
			if run == 3 {
				<-time.After(20 * time.Millisecond)
				c.Close()
			}
			wg.Wait()
			if !mortal {
				if err := c.Call(t.Context(), "lane/4/last", nil, nil); err != nil {
					t.Errorf("the last call: %v", err)
				}
			}
			if begun, ended := b.begun.Load(), b.ended.Load(); begun != ended || c.Stats().Pending != 0 {
				t.Errorf("%d calls begun, %d ended, %d pending", begun, ended, c.Stats().Pending)
			}
			m.peer.Wait()
		})
	}
}

// call makes a call in one of many ways, and judges its outcome.
func (m *moody) call(c *rpc.Conn, rng *rand.Rand, method string) {
	ctx, cancel := m.t.Context(), context.CancelFunc(func() {})
	isPatient := rng.IntN(2) > 0
	if !isPatient {
		ctx, cancel = context.WithTimeout(ctx, ticks(rng.IntN(8)))
	}
	defer cancel()
	params := []string{method, strconv.Itoa(rng.IntN(1000))}
	if rng.IntN(20) == 0 {
		params = append(params, string(make([]byte, 20<<10)))
	}
	got, err := exchange(ctx, c, rng, method, params)
	m.judge(err, isPatient, method, params, got)
}

// exchange makes a call in one of the ways that there are, and decodes the answer.
func exchange(ctx context.Context, c *rpc.Conn, rng *rand.Rand, method string, params []string) (got []string, err error) {
	if rng.IntN(2) == 0 {
		err = c.Call(ctx, method, params, &got)
		return got, err
	}
	pending, err := c.Send(ctx, method, params)
	if err == nil {
		err = pending.Wait(ctx, &got)
	}
	return got, err
}

func (m *moody) judge(err error, isPatient bool, method string, params, got []string) {
	m.mu.Lock()
	sent := m.seen[method]
	m.mu.Unlock()
	if err == nil {
		if len(got) != len(params) || got[0] != params[0] || got[1] != params[1] {
			m.t.Errorf("%s has the answer of another call: %q", method, got)
		}
		return
	}
	ce, ok := errors.AsType[*rpc.CallError](err)
	switch {
	case !ok || ce.Method != method:
		m.t.Errorf("%s: %v", method, err)
	case ce.Outcome == rpc.NotSent && sent:
		m.t.Errorf("%s has left, but: %v", method, err)
	case isPatient && !m.mortal:
		m.t.Errorf("%s: %v", method, err)
	}
}
