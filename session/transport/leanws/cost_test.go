package leanws_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

// discard has the peer read whatever comes, until the connection ends.
func discard(t *testing.T, server net.Conn) {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { server.Close() })
	wg.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := server.Read(buf); err != nil {
				return
			}
		}
	})
}

// flood has the peer send wire again and again, until the connection ends.
func flood(t *testing.T, server net.Conn, wire []byte) {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { server.Close() })
	wg.Go(func() {
		for {
			if _, err := server.Write(wire); err != nil {
				return
			}
		}
	})
}

// allocs counts the allocations of f, which runs often enough first that buffers have the size that they keep.
func allocs(t *testing.T, f func() error) {
	t.Helper()
	count := testing.AllocsPerRun(1000, func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
	if count != 0 {
		t.Errorf("%v allocations, want none", count)
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	for name, wire := range map[string][]byte{
		"short":     burst(100, 50),
		"ordinary":  burst(100, 312),
		"long":      burst(2, 20_000),
		"giants":    burst(2, 50_000),
		"fragments": []byte("\x01\x02{\"\x00\x02a\"\x80\x03:1}"),
	} {
		t.Run(name, func(t *testing.T) {
			tr, server := pair(t)
			flood(t, server, wire)
			read := func() error {
				_, err := tr.ReadMessage()
				return err
			}
			for range 1000 {
				if err := read(); err != nil {
					t.Fatal(err)
				}
			}
			allocs(t, read)
		})
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	order := []byte(strings.Repeat("x", 150))
	batch := make([][]byte, 64)
	for i := range batch {
		batch[i] = order
	}
	tr, server := pair(t)
	discard(t, server)
	for name, msgs := range map[string][][]byte{"one": {order}, "batch of 64": batch} {
		t.Run(name, func(t *testing.T) { allocs(t, func() error { return tr.WriteMessages(msgs...) }) })
	}
}

func TestRoundTripDoesNotAllocate(t *testing.T) {
	order := [][]byte{[]byte(strings.Repeat("x", 100))}
	tr, server := pair(t)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { server.Close() })
	answer := frame(opText, string(order[0]))
	request := make([]byte, 6+len(order[0]))
	wg.Go(func() {
		for {
			if _, err := server.Read(request); err != nil { // a write of a pipe is one read
				return
			}
			if _, err := server.Write(answer); err != nil {
				return
			}
		}
	})
	allocs(t, func() error {
		if err := tr.WriteMessages(order...); err != nil {
			return err
		}
		_, err := tr.ReadMessage()
		return err
	})
}

// kept checks the memory that tr's buffers hold.
func kept(t *testing.T, tr rpc.Transport, when string, wantRead int) {
	t.Helper()
	if read, write := leanws.Kept(tr); read != wantRead || write != leanws.BufferOwn {
		t.Errorf("%s: %d bytes to read, %d to write, want %d, %d", when, read, write, wantRead, leanws.BufferOwn)
	}
}

// TestMemory follows the buffers through the life of a connection: they grow with what comes, and giants do not stay.
func TestMemory(t *testing.T) {
	t.Parallel()
	const giant = 1 << 20
	tr, server := pair(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	send := func(wire []byte, messages, size int) {
		t.Helper()
		wg.Go(func() { write(t, server, wire) })
		for range messages {
			if msg, err := tr.ReadMessage(); err != nil || len(msg) != size {
				t.Fatalf("read %d bytes, %v, want %d", len(msg), err, size)
			}
		}
	}

	send(burst(1, 100), 1, 100)
	kept(t, tr, "idle", leanws.BufferStart)
	send(burst(1000, 312), 1000, 312)
	kept(t, tr, "busy", leanws.BufferKeep)
	send(burst(2, giant), 2, giant)
	if read, _ := leanws.Kept(tr); read < giant || read > 4*giant {
		t.Errorf("%d bytes for messages of %d", read, giant)
	}
	for range 10 {
		send(burst(1, 100), 1, 100)
	}
	kept(t, tr, "after giants", leanws.BufferKeep)
	for _, size := range []int{leanws.BufferKeep + 1, giant} {
		fragments := frame(opText, strings.Repeat("x", size))
		fragments[0] = opText // more to come
		send(append(fragments, 0x80, 0), 1, size)
		for range 10 {
			send(burst(1, 100), 1, 100)
		}
		kept(t, tr, "after a giant in fragments", leanws.BufferKeep)
	}
}
