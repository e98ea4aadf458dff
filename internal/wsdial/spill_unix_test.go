//go:build unix

package wsdial_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/transporttest"
	"github.com/holdfast-ws/holdfast/internal/wsdial"
	"github.com/holdfast-ws/holdfast/rpc"
)

// networks are what a SpillConn can try, with an address to listen on.
func networks(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"tcp": "127.0.0.1:0", "unix": transporttest.SocketPath(t)}
}

// narrow is both ends of a connection that takes little before it is read.
func narrow(t *testing.T, network, addr string) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	// The window stays as it is: TCP opens one that is smaller than a segment only by and by.
	if err := ours.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// started is a SpillConn over conn whose writes do not wait.
func started(t *testing.T, conn net.Conn) *wsdial.SpillConn {
	t.Helper()
	c := wsdial.NewSpillConn(conn)
	c.Start()
	t.Cleanup(func() { c.Close() })
	return c
}

// counted is n bytes that tell their place.
func counted(n int) []byte {
	var p []byte
	for i := uint32(0); len(p) < n; i++ {
		p = binary.BigEndian.AppendUint32(p, i)
	}
	return p[:n]
}

// writeBatch writes p piece by piece, as one batch, and reports whether something of it was left.
func writeBatch(t *testing.T, c *wsdial.SpillConn, p []byte, piece int) bool {
	t.Helper()
	c.Begin()
	for len(p) > 0 {
		n := min(piece, len(p))
		if wrote, err := c.Write(p[:n]); err != nil || wrote != n {
			t.Fatalf("wrote %d of %d bytes, %v", wrote, n, err)
		}
		p = p[n:]
	}
	left, err := c.End(nil)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestSpillKeepsOrder writes far more than the network takes to a peer that reads only afterwards.
func TestSpillKeepsOrder(t *testing.T) {
	t.Parallel()
	for network, addr := range networks(t) {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			ours, theirs := narrow(t, network, addr)
			c := started(t, ours)
			want := counted(1 << 20)
			if !writeBatch(t, c, want, 10_000) {
				t.Error("nothing was left, though nobody reads")
			}
			want = append(want, "behind"...)
			if _, err := io.WriteString(c, "behind"); err != nil {
				t.Error(err)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(theirs, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the peer read something else, %v", err)
			}
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
			if writeBatch(t, c, []byte("again"), 5) {
				t.Error("a few bytes were left, though all was flushed")
			}
		})
	}
}

// TestSpillAgainAndAgain has a peer read when the network is full, a thousand times, and look at each byte.
func TestSpillAgainAndAgain(t *testing.T) {
	t.Parallel()
	const stalls = 1000
	ours, theirs := narrow(t, "unix", networks(t)["unix"])
	c := started(t, ours)
	var wg sync.WaitGroup
	full := make(chan int)
	wg.Go(func() {
		seen := 0
		for size := range full {
			got := make([]byte, size)
			if _, err := io.ReadFull(theirs, got); err != nil {
				t.Errorf("peer: %v", err)
			}
			for _, b := range got {
				if b != byte(seen%251) {
					t.Errorf("byte %d is %d", seen, b)
				}
				seen++
			}
		}
	})
	written := 0
	for range stalls {
		size := 0
		for left := false; !left; {
			p := make([]byte, 1+written*7919%5000)
			for i := range p {
				p[i] = byte((written + i) % 251)
			}
			left = writeBatch(t, c, p, 1000)
			size, written = size+len(p), written+len(p)
		}
		full <- size
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	close(full)
	wg.Wait()
}

// TestSpilledControlIsBounded writes what belongs to no batch, as answers to pings do, to a peer that does not read.
func TestSpilledControlIsBounded(t *testing.T) {
	t.Parallel()
	ours, _ := narrow(t, "unix", networks(t)["unix"])
	c := started(t, ours)
	pong := make([]byte, 131)
	for !writeBatch(t, c, make([]byte, 64<<10), 64<<10) { // what the network itself takes
	}
	var err error
	kept := 0
	for ; err == nil && kept < 1<<20; kept += len(pong) {
		_, err = c.Write(pong)
	}
	if !errors.Is(err, rpc.ErrWriteStalled) || kept > wsdial.SpillControl+2*len(pong) {
		t.Errorf("after %d bytes: %v", kept, err)
	}
	if _, err := c.Write(pong); !errors.Is(err, rpc.ErrWriteStalled) {
		t.Errorf("afterwards: %v", err)
	}
	if left, err := c.End(nil); left || !errors.Is(err, rpc.ErrWriteStalled) {
		t.Errorf("the end of a batch: %t, %v", left, err)
	}
	reason := errors.New("the batch's own")
	if _, err := c.End(reason); !errors.Is(err, reason) {
		t.Errorf("the end of a batch that failed: %v", err)
	}
}

// TestCloseEndsASpill from several goroutines at once.
func TestCloseEndsASpill(t *testing.T) {
	t.Parallel()
	ours, _ := narrow(t, "unix", networks(t)["unix"])
	c := started(t, ours)
	for !writeBatch(t, c, make([]byte, 64<<10), 64<<10) {
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("flush: %v", err)
		}
	})
	for range 3 {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
	if _, err := c.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

// TestCloseMeetsAWrite has the connection closed under a writer.
func TestCloseMeetsAWrite(t *testing.T) {
	t.Parallel()
	for range 100 {
		ours, _ := narrow(t, "tcp", "127.0.0.1:0")
		c := started(t, ours)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					if !errors.Is(err, net.ErrClosed) && !errors.Is(err, rpc.ErrWriteStalled) {
						t.Errorf("write: %v", err)
					}
					return
				}
			}
		})
		c.Close()
		wg.Wait()
	}
}

// TestSpillOfAPeerThatIsGone: the error is what the net package makes of it.
func TestSpillOfAPeerThatIsGone(t *testing.T) {
	t.Parallel()
	for _, stalled := range []bool{false, true} {
		ours, theirs := narrow(t, "tcp", "127.0.0.1:0")
		c := started(t, ours)
		for stalled && !writeBatch(t, c, make([]byte, 64<<10), 64<<10) {
		}
		if err := errors.Join(theirs.(*net.TCPConn).SetLinger(0), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		if n, err := ours.Read(make([]byte, 1)); err == nil { // the reset has come
			t.Fatalf("read %d bytes", n)
		}
		err := c.Flush()
		for n := 0; err == nil && n < 100; n++ {
			_, err = c.Write([]byte("anybody there"))
		}
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "write" || op.Addr.String() != ours.RemoteAddr().String() {
			t.Errorf("stalled %t: %v", stalled, err)
		}
	}
}

// shouting is a connection of the system's that means more by Write.
type shouting struct{ *net.TCPConn }

func (s shouting) Write(p []byte) (int, error) { return s.TCPConn.Write(bytes.ToUpper(p)) }

// TestSpillConnKeepsToWrite of a connection that is not the system's own.
func TestSpillConnKeepsToWrite(t *testing.T) {
	t.Parallel()
	ours, theirs := narrow(t, "tcp", "127.0.0.1:0")
	c := started(t, shouting{ours.(*net.TCPConn)})
	writeBatch(t, c, []byte("loud"), 4)
	got := make([]byte, 4)
	if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "LOUD" {
		t.Errorf("the peer read %q, %v", got, err)
	}
}

// TestSpillConnWaitsUntilStarted: a context bounds the opening.
func TestSpillConnWaitsUntilStarted(t *testing.T) {
	t.Parallel()
	ours, _ := narrow(t, "tcp", "127.0.0.1:0")
	c := wsdial.NewSpillConn(ours)
	if err := ours.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := c.Write(make([]byte, 8<<20)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("write: %v, want it to wait", err)
	}
}

func TestSpillConnDoesNotAllocate(t *testing.T) {
	ours, theirs := narrow(t, "tcp", "127.0.0.1:0")
	c := started(t, ours)
	p, got := make([]byte, 100), make([]byte, 100)
	count := testing.AllocsPerRun(1000, func() {
		writeBatch(t, c, p, len(p))
		if _, err := io.ReadFull(theirs, got); err != nil {
			t.Error(err)
		}
	})
	if count != 0 {
		t.Errorf("%v allocations for each batch", count)
	}
}
