package wirepeer

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// TB is the part of a testing.TB that Start needs.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Peer is a running process. Its methods may be called concurrently.
type Peer struct {
	ws, floor string // addresses
}

// Start starts a process that ends with the test. It fails the test if the process cannot be reached.
func Start(tb TB) *Peer {
	tb.Helper()
	if os.Getenv(marker) != "" {
		tb.Fatalf("wirepeer: start: the TestMain of this package does not call Main")
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("wirepeer: start: %v", err)
	}
	cmd := exec.CommandContext(tb.Context(), self) //nolint:gosec // the running binary itself
	cmd.Env = append(os.Environ(), marker+"=1", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the process ends when this is closed, by us or by our end
	if err != nil {
		tb.Fatalf("wirepeer: start: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatalf("wirepeer: start: %v", err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("wirepeer: start: %v", err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()         // says that it was killed
	})
	p := &Peer{}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		_, err = fmt.Sscanf(line, greeting, &p.ws, &p.floor)
	}
	if err != nil {
		tb.Fatalf("wirepeer: start: the process said %q: %v", line, err)
	}
	return p
}

// URL is where the process accepts WebSocket connections. A query may be appended to it.
func (p *Peer) URL() string { return "ws://" + p.ws + "/" }

// PingPong opens a raw connection on which each full request bytes are answered by answer bytes, those of many at once by
// one write.
func (p *Peer) PingPong(ctx context.Context, request, answer int) (net.Conn, error) {
	return p.dialFloor(ctx, script{Kind: pingPong, Request: int64(request), Answer: int64(answer)})
}

// Stream opens a raw connection on which each count of 8 bytes, big endian, asks for so many messages of size bytes, which
// come in writes of up to 64 KiB.
func (p *Peer) Stream(ctx context.Context, size int) (net.Conn, error) {
	return p.dialFloor(ctx, script{Kind: stream, Answer: int64(size)})
}

func (p *Peer) dialFloor(ctx context.Context, s script) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.floor)
	if err != nil {
		return nil, fmt.Errorf("wirepeer: dial: %w", err)
	}
	if err := binary.Write(conn, binary.BigEndian, s); err != nil {
		conn.Close()
		return nil, fmt.Errorf("wirepeer: dial: %w", err)
	}
	return conn, nil
}
