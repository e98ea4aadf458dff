package wirepeer

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
)

const (
	marker   = "HOLDFAST_WIREPEER" // in the environment of the process that Start starts
	greeting = "wirepeer %s %s\n"  // its first line: the addresses of both listeners
)

// Main does nothing, except in a process that [Start] has started: there it serves until stdin is closed, and never
// returns. A TestMain calls it before all else.
func Main() {
	if os.Getenv(marker) == "" {
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "wirepeer: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// LeaveProcessor leaves one processor to the peer, unless there is but one or GOMAXPROCS is set: a peer that stands for
// another machine must not fight the client's idle threads for its own. The flag -cpu of go test overrules it.
func LeaveProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0)-1, 1))
	}
}

// serve listens on two ports until stdin is closed.
func serve() error {
	ws, err := net.ListenTCP("tcp", loopback)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	floor, err := net.ListenTCP("tcp", loopback)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var all sync.WaitGroup // ends with the process
	all.Go(func() { accept(&all, ws, serveWebSocket) })
	all.Go(func() { accept(&all, floor, serveFloor) })
	if _, err := fmt.Fprintf(os.Stdout, greeting, ws.Addr(), floor.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// accept serves each connection of l. What ends one is the client's affair: it sees its connection closed.
func accept(all *sync.WaitGroup, l net.Listener, serve func(net.Conn) error) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			_ = serve(conn)
		})
	}
}
