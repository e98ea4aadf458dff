package rpc_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestSlowYieldBringsRest has a caller yield to a goroutine that keeps the only processor busy. It is not parallel: there is
// one for the whole program.
func TestSlowYieldBringsRest(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{})
	var wg sync.WaitGroup
	for tries := 0; !rpc.Rests(c); tries++ {
		if tries == 100 { // the scheduler may come back at once, now and then
			t.Fatal("no rest after slow yields")
		}
		yields, err := rpc.Gather(t.Context(), c, "public/test")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for begun := time.Now(); time.Since(begun) < 20*time.Millisecond; {
			}
		})
		if err := yields.Finish(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// TestNobodyYieldsDuringARest: who calls in it writes at once.
func TestNobodyYieldsDuringARest(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{})
	rpc.Rest(c, time.Hour)
	for range 200 { // of which all but the first few would yield
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Send(t.Context(), "public/test", nil); err != nil {
				t.Error(err)
			}
		})
		for len(p.requests) == 0 {
			if rpc.Gathers(c) {
				t.Fatal("a caller yields")
			}
		}
		<-p.requests
		wg.Wait()
	}
}
