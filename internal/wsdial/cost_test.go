package wsdial_test

import (
	"net"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wsdial"
)

// sink is a connection that takes everything.
type sink struct {
	net.Conn
	bytes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

func TestBatchDoesNotAllocate(t *testing.T) {
	const frames, runs = 64, 100
	below, frame := &sink{}, make([]byte, 158)
	c := wsdial.NewCork(below)
	count := testing.AllocsPerRun(runs, func() {
		c.Cork()
		for range frames {
			if _, err := c.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Uncork(); err != nil {
			t.Fatal(err)
		}
	})
	if want := frames * len(frame) * (runs + 1); count != 0 || below.bytes != want { // the first run is not counted
		t.Errorf("%v allocations for each batch, %d bytes, want %d", count, below.bytes, want)
	}
}
