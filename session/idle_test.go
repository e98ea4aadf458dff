package session_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

const (
	idle      = 100      // sessions
	idleBytes = 64 << 10 // that one may hold, with its goroutines' stacks
)

// idleGoroutines are those of an idle session: whoever decides, and whoever reads. nhooyr's library has one of its own.
var idleGoroutines = map[string][]string{
	"nhooyr": {"session.(*Session).supervise(", "rpc.(*Conn).read(", "nhooyr.io/websocket.(*Conn).timeoutLoop("},
	"coder":  {"session.(*Session).supervise(", "rpc.(*Conn).read("},
	"lean":   {"session.(*Session).supervise(", "rpc.(*Conn).read("},
}

// TestIdleSessions has sessions with credentials and heartbeats do nothing but answer a test_request. It is not parallel:
// it looks at the heap and at all goroutines.
func TestIdleSessions(t *testing.T) {
	for name, d := range dialers {
		t.Run(name, func(t *testing.T) {
			cfg, tested := idlePeer(t, d)
			perPeer := perConnection(t, func() { bare(t, cfg.URL) })

			before := goroutines()
			perSession := perConnection(t, func() { dial(t, cfg) }) - perPeer
			until(t, "every session has answered", func() bool { return tested.Load() == idle+1 })
			wantGoroutines(t, before, idleGoroutines[name])
			if !raced && perSession > idleBytes { // the budget is that of a program as it is shipped
				t.Errorf("a session holds %d bytes, want at most %d", perSession, idleBytes)
			}
			t.Logf("%d bytes a session", perSession)
		})
	}
}

// idlePeer is the Config of sessions with a peer that asks for a sign of life, and counts those that come.
func idlePeer(t *testing.T, d rpc.Dialer) (session.Config, *atomic.Int64) {
	t.Helper()
	var tested atomic.Int64
	cfg := newWires(t, d, func(_ int, w *wire) {
		for {
			r, err := w.request()
			if err != nil {
				return
			}
			frames := answer(r)
			switch r.Method {
			case "public/set_heartbeat":
				frames = append(frames, text(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}`)...)
			case "public/test":
				tested.Add(1)
			case "private/logout":
				return
			}
			if _, err := w.Write(frames); err != nil {
				return
			}
		}
	})
	cfg.Heartbeat = 30 * time.Second
	cfg.Credentials = session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary)), Generation: 1}
	return cfg, &tested
}

// bare opens a connection to the same peer that says nothing, until the test's end.
func bare(t *testing.T, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
}

// perConnection is the memory that each of many connections holds, in bytes, on both ends.
func perConnection(t *testing.T, open func()) int64 {
	t.Helper()
	open() // what all share
	before := heap() + stacks()
	for range idle {
		open()
	}
	return (heap() + stacks() - before) / idle
}

func stacks() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// wantGoroutines waits until the sessions have no goroutines but those.
func wantGoroutines(t *testing.T, before map[string]string, want []string) {
	t.Helper()
	var counts map[string]int
	settled := func() bool {
		counts = map[string]int{}
		for id, stack := range goroutines() {
			if _, old := before[id]; !old && !strings.Contains(stack, "session_test.") { // else it is the peer's
				counts[roleOf(stack, want)]++
			}
		}
		for _, role := range want {
			if counts[role] != idle+1 {
				return false
			}
		}
		return len(counts) == len(want)
	}
	deadline := time.Now().Add(10 * time.Second)
	for !settled() {
		if time.Now().After(deadline) {
			t.Fatalf("the goroutines of %d idle sessions are %v", idle+1, counts)
		}
		runtime.Gosched()
	}
}

// goroutines are the stacks of all goroutines, by what tells them apart.
func goroutines() map[string]string {
	dump := make([]byte, 8<<20)
	dump = dump[:runtime.Stack(dump, true)]
	stacks := map[string]string{}
	for stack := range strings.SplitSeq(string(dump), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		stacks[id] = stack
	}
	return stacks
}

// roleOf is which of the roles a goroutine plays, or else its whole stack.
func roleOf(stack string, roles []string) string {
	for _, role := range roles {
		if strings.Contains(stack, role) {
			return role
		}
	}
	return stack
}
