package rpc_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// lines is a Transport over a net.Conn: a message is a line.
type lines struct {
	net.Conn
	in *bufio.Scanner
}

func newLines(conn net.Conn) *lines { return &lines{conn, bufio.NewScanner(conn)} }

// ReadMessage implements rpc.Transport.
func (l *lines) ReadMessage() ([]byte, error) {
	if l.in.Scan() {
		return l.in.Bytes(), nil
	}
	if err := l.in.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// WriteMessages implements rpc.Transport.
func (l *lines) WriteMessages(msgs ...[]byte) error {
	_, err := l.Write(append(bytes.Join(msgs, []byte("\n")), '\n'))
	return err
}

// spillingLines is lines that nobody waits to write.
type spillingLines struct {
	*lines
	conn *wsdial.SpillConn
}

func newSpillingLines(conn net.Conn) spillingLines {
	spill := wsdial.NewSpillConn(conn)
	spill.Start()
	return spillingLines{newLines(spill), spill}
}

// TryWriteMessages implements rpc.Flusher.
func (l spillingLines) TryWriteMessages(msgs ...[]byte) (left bool, err error) {
	l.conn.Begin()
	return l.conn.End(l.WriteMessages(msgs...))
}

// Flush implements rpc.Flusher.
func (l spillingLines) Flush() error { return l.conn.Flush() }

// A flood is calls over a connection that takes none of them, each with a method of its own.
const (
	flood        = 64
	floodPadding = 32 << 10 // bytes of params
	mayBeHeld    = 1        // calls that outlast their context, if the Transport is no Flusher
)

// flooded is what became of one of them.
type flooded struct {
	method string
	err    error
	late   time.Duration // after its deadline, and what the machine needed to tell of that
}

// pour makes the calls, half of them by Send, with a deadline each, and tells how they end in that order.
func pour(t *testing.T, c *rpc.Conn, patience time.Duration) <-chan flooded {
	t.Helper()
	results := make(chan flooded, flood)
	var wg sync.WaitGroup
	params := []string{strings.Repeat("x", floodPadding)}
	for n := range flood {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			deadline, _ := ctx.Deadline()
			machine := make(chan time.Duration, 1) // how late on its own
			wg.Go(func() {
				<-ctx.Done()
				machine <- time.Since(deadline)
			})
			method := fmt.Sprintf("public/flood_%02d", n)
			err := ways[n%len(ways)](ctx, c, method, params)
			late := time.Since(deadline)
			cancel()
			results <- flooded{method, err, late - max(0, <-machine)}
		})
	}
	t.Cleanup(wg.Wait)
	return results
}

// ways are how to make a call.
var ways = []func(ctx context.Context, c *rpc.Conn, method string, params any) error{
	func(ctx context.Context, c *rpc.Conn, method string, params any) error {
		return c.Call(ctx, method, params, nil)
	},
	func(ctx context.Context, c *rpc.Conn, method string, params any) error {
		pending, err := c.Send(ctx, method, params)
		if err != nil {
			return err
		}
		return pending.Wait(ctx, nil)
	},
}

// check holds the outcomes against what the peer had been given when it woke up.
func check(t *testing.T, results []flooded, received []byte) {
	t.Helper()
	unsent := 0
	for _, r := range results {
		unanswered, ok := errors.AsType[*rpc.CallError](r.err)
		if !ok || unanswered.Method != r.method {
			t.Errorf("%s: %v", r.method, r.err)
			continue
		}
		if unanswered.Outcome == rpc.NotSent {
			unsent++
			if bytes.Contains(received, []byte(r.method)) {
				t.Errorf("%s was not sent, but the peer has it", r.method)
			}
		}
	}
	if unsent == 0 || unsent == flood {
		t.Errorf("%d of %d calls were not sent: want some, but for those that the writer had taken", unsent, flood)
	}
	if n := bytes.Count(received, []byte(`{"jsonrpc"`)); n > flood-unsent {
		t.Errorf("the peer has %d requests, but only %d may have been sent", n, flood-unsent)
	}
}

// TestStalledPeer floods a peer that does not read, over a network in memory, which always waits. Time in a bubble is exact:
// whoever waits leaves at its deadline.
func TestStalledPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		const patience, stall = time.Second, 5 * time.Second
		c := newConn(t, newLines(ours), rpc.Config{WriteTimeout: stall})
		begun := time.Now()
		results := pour(t, c, patience)
		var ended []flooded
		held := 0
		for range flood {
			r := <-results
			if r.late != 0 {
				held++
				if r.late > stall-patience || !errors.Is(r.err, rpc.ErrWriteStalled) || rpc.SafeToRetry(r.err) {
					t.Errorf("%s ended %v late with %v", r.method, r.late, r.err)
				}
			}
			ended = append(ended, r)
		}
		if held > mayBeHeld {
			t.Errorf("%d calls outlasted their contexts, want at most %d", held, mayBeHeld)
		}
		<-c.Done()
		if took := time.Since(begun); took != stall || !errors.Is(c.Err(), rpc.ErrWriteStalled) {
			t.Errorf("the connection ended after %v with %v", took, c.Err())
		}
		check(t, ended, nil)
	})
}

// tcpPair is a connection over loopback, whose far end takes little before it is read.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if err := errors.Join(ours.SetWriteBuffer(16<<10), theirs.SetReadBuffer(16<<10)); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestZeroWindow floods a peer over TCP that does not read until all is over. It is not parallel: it looks at the heap.
func TestZeroWindow(t *testing.T) {
	ours, theirs := tcpPair(t)
	c := newConn(t, newSpillingLines(ours), rpc.Config{WriteTimeout: 2 * time.Second, MaxPending: flood})
	before := heap()
	results := pour(t, c, 300*time.Millisecond)

	for c.Stats().Pending < flood {
		runtime.Gosched() // until all of them wait, or the deadlines end this
		if len(results) > 0 {
			break
		}
	}
	if err := c.Call(t.Context(), "public/one_too_many", nil, nil); len(results) == 0 && (!errors.Is(err, rpc.ErrTooManyPending) || !rpc.SafeToRetry(err)) {
		t.Errorf("one call more than may wait: %v", err)
	}
	// Each frame, the batch that joins them, and what buffers keep to spare.
	if grown, bound := heap()-before, int64(2*flood*floodPadding+(4<<20)); grown > bound {
		t.Errorf("the heap grew by %d bytes, want at most %d", grown, bound)
	}

	var ended []flooded
	for range flood {
		r := <-results
		if r.late > time.Second {
			t.Errorf("%s returned %v after its deadline", r.method, r.late)
		}
		if errors.Is(r.err, rpc.ErrWriteStalled) {
			t.Errorf("%s ended with the connection, not by its deadline: %v", r.method, r.err)
		}
		ended = append(ended, r)
	}
	<-c.Done()
	if !errors.Is(c.Err(), rpc.ErrWriteStalled) {
		t.Errorf("the connection ended with %v", c.Err())
	}
	received, err := io.ReadAll(theirs) // the peer wakes up
	if err != nil || len(received) == 0 {
		t.Errorf("the peer read %d bytes, %v", len(received), err)
	}
	check(t, ended, received)
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d bytes more on the heap when all is over", grown)
	}
}

// heap is the memory that is in use, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools held through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
