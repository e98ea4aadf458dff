package wsdial_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// recorder is a connection that keeps what is written to it, write by write.
type recorder struct {
	net.Conn
	writes [][]byte
	err    error
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	r.writes = append(r.writes, bytes.Clone(p))
	return len(p), nil
}

// put writes s to c.
func put(t *testing.T, c wsdial.Cork, s string) {
	t.Helper()
	if n, err := c.Write([]byte(s)); err != nil || n != len(s) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func TestCorkGathers(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	c := wsdial.NewCork(r)
	put(t, c, "before")
	c.Cork()
	put(t, c, "a")
	put(t, c, "b")
	if len(r.writes) != 1 {
		t.Errorf("wrote %q while corked", r.writes[1:])
	}
	if err := c.Uncork(); err != nil {
		t.Fatal(err)
	}
	put(t, c, "after")
	if want := "before|ab|after"; string(bytes.Join(r.writes, []byte("|"))) != want {
		t.Errorf("writes %q, want %s", r.writes, want)
	}
}

func TestCorkWithNothingGatheredWritesNothing(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	c := wsdial.NewCork(r)
	c.Cork()
	if err := c.Uncork(); err != nil || len(r.writes) != 0 {
		t.Errorf("wrote %q, %v", r.writes, err)
	}
}

func TestCorkReportsTheErrorOfTheBatch(t *testing.T) {
	t.Parallel()
	r := &recorder{err: errors.New("gone")}
	c := wsdial.NewCork(r)
	c.Cork()
	put(t, c, "batch")
	if err := c.Uncork(); !errors.Is(err, r.err) {
		t.Errorf("got %v, want %v", err, r.err)
	}
}

func TestCorkDropsTheBufferOfAGiant(t *testing.T) {
	t.Parallel()
	c := wsdial.NewCork(&recorder{})
	for _, size := range []int{1000, 4 << 20} {
		c.Cork()
		put(t, c, string(make([]byte, size)))
		if err := c.Uncork(); err != nil {
			t.Fatal(err)
		}
		if c.Kept() > wsdial.CorkKeep {
			t.Errorf("keeps %d bytes after a batch of %d", c.Kept(), size)
		}
	}
}

// TestCorkWaitsWithoutHoldingUpTheBubble has two writers meet at a connection that nobody reads: time must pass.
func TestCorkWaitsWithoutHoldingUpTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c := wsdial.NewCork(client)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := c.Write([]byte("x")); err == nil {
					t.Error("write succeeded though nobody read")
				}
			})
		}
		<-time.After(time.Hour)
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}
