//go:build unix

package wsdial_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// batchSize is the size of a batch, in bytes.
const batchSize = 16 << 10

// fill writes batches until something of one is left, and returns how many bytes that were.
func fill(t *testing.T, c *wsdial.SpillConn) (n int64) {
	t.Helper()
	for left := false; !left; n += batchSize {
		left = writeBatch(t, c, make([]byte, batchSize), batchSize)
	}
	return n
}

// catchUp has the peer read n bytes.
func catchUp(t *testing.T, peer net.Conn, n int64) {
	t.Helper()
	if _, err := io.CopyN(io.Discard, peer, n); err != nil {
		t.Fatal(err)
	}
}

// TestSpilledControlIsBoundedExactly, however much of it has left before.
func TestSpilledControlIsBoundedExactly(t *testing.T) {
	t.Parallel()
	const pong = 131
	ours, theirs := narrow(t, "unix", networks(t)["unix"])
	c := started(t, ours)
	for range 2*wsdial.SpillControl/(100*pong) + 1 {
		n := fill(t, c)
		for range 100 {
			if _, err := c.Write(make([]byte, pong)); err != nil {
				t.Fatal(err)
			}
			n += pong
		}
		catchUp(t, theirs, n)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, c)
	if _, err := c.Write(make([]byte, wsdial.SpillControl)); err != nil {
		t.Errorf("as much as is kept: %v", err)
	}
	if _, err := c.Write(make([]byte, 1)); !errors.Is(err, rpc.ErrWriteStalled) {
		t.Errorf("one byte more: %v", err)
	}
}

// TestASpillThatWasRefusedStaysSo when the peer reads again: what was refused is missing from the stream.
func TestASpillThatWasRefusedStaysSo(t *testing.T) {
	t.Parallel()
	ours, theirs := narrow(t, "unix", networks(t)["unix"])
	c := started(t, ours)
	fill(t, c)
	if _, err := c.Write(make([]byte, wsdial.SpillControl+1)); !errors.Is(err, rpc.ErrWriteStalled) {
		t.Fatalf("more than is kept: %v", err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer c.Close()
	wg.Go(func() {
		if _, err := io.Copy(io.Discard, theirs); err != nil {
			t.Errorf("peer: %v", err)
		}
	})
	if err := c.Flush(); !errors.Is(err, rpc.ErrWriteStalled) {
		t.Errorf("flush: %v", err)
	}
	if _, err := c.Write([]byte("late")); !errors.Is(err, rpc.ErrWriteStalled) {
		t.Errorf("write: %v", err)
	}
}
