package session_test

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	// heapSlack is how much more than the read limit an attack may have on the heap, in bytes.
	heapSlack = 2 << 20
	// patience is what a call grants a hostile peer, and lateness how long after its deadline it may return on a busy machine. In a
	// bubble it is never late.
	patience, lateness = time.Minute, time.Second
)

// hostile is one attack: its name says what the peer does, and its run holds what becomes of it.
type hostile struct {
	name  string
	every bool // over each Dialer, for what the transport is to bear
	run   func(a *arena)
}

// TestHostile attacks a session with raw peers, case by case. Nothing may panic, no call may outlast its deadline, the heap may
// not grow by more than the read limit and 2 MiB, nothing may be left behind, and each case says which error or counter tells
// of the attack. It is not parallel: it looks at the heap.
// Asks: neo-go#3093.
func TestHostile(t *testing.T) {
	var sum tally
	for _, cases := range [][]hostile{hostileOpenings, hostileFrames, hostileMessages, hostileIDs, hostileSubscriptions, hostileLogins} {
		for _, c := range cases {
			sum.cases++
			for name, d := range dialers {
				if !c.every && name != "nhooyr" {
					continue
				}
				t.Run(c.name+" over "+name, func(t *testing.T) { sum.run(t, d, c) })
			}
		}
	}
	if sum.cases < 60 {
		t.Errorf("%d cases, want 60 at least", sum.cases)
	}
	t.Logf("%d cases, %d attacks; the heap grew by %d KiB at most, %d KiB below the bound; the latest call returned %v after its deadline",
		sum.cases, sum.attacks, sum.grown>>10, (rpc.DefaultReadLimit+heapSlack-sum.grown)>>10, sum.latest)
}

// tally is what all attacks came to.
type tally struct {
	cases, attacks int
	grown          int64         // of the heap, at most, in bytes
	latest         time.Duration // call, 0 if none returned after its deadline
}

// run plays one case.
func (sum *tally) run(t *testing.T, d rpc.Dialer, c hostile) {
	t.Helper()
	leaktest.Check(t)
	a := &arena{T: t, dialer: d, sum: sum, heap: watchHeap()}
	sum.attacks++
	defer func() {
		grown := a.heap.end()
		sum.grown = max(sum.grown, grown)
		if grown > rpc.DefaultReadLimit+heapSlack {
			t.Errorf("the heap grew by %d bytes, want %d at most", grown, rpc.DefaultReadLimit+heapSlack)
		}
	}()
	c.run(a)
}

// heapWatch looks at the live heap over and over. The peers write nothing meanwhile, so that the client comes to rest with what the
// attack has left on the heap so far: what is allocated while a collection runs would count, though it is garbage.
type heapWatch struct {
	before  uint64
	stop    chan struct{}
	looking sync.WaitGroup
	gate    sync.RWMutex // closed for the peers while somebody looks; it also protects most
	most    uint64
}

func watchHeap() *heapWatch {
	h := &heapWatch{stop: make(chan struct{}), before: liveHeap()}
	h.looking.Go(func() {
		pause := 20 * time.Millisecond
		for {
			select {
			case <-h.stop:
				return
			case <-time.After(pause):
			}
			start := time.Now()
			h.look()
			pause = max(pause, 5*time.Since(start)) // else a slow machine does nothing else
		}
	})
	return h
}

// look takes the least of some collections: the first ones may come before the client's rest.
func (h *heapWatch) look() {
	h.gate.Lock()
	defer h.gate.Unlock()
	least := liveHeap()
	for range 4 {
		runtime.Gosched()
		least = min(least, liveHeap())
	}
	h.most = max(h.most, least)
}

// pass waits while somebody looks.
func (h *heapWatch) pass() {
	h.gate.RLock()
	defer h.gate.RUnlock()
}

// end returns by how much the heap has grown at most.
func (h *heapWatch) end() int64 {
	close(h.stop)
	h.looking.Wait()
	h.look()
	h.gate.Lock()
	defer h.gate.Unlock()
	return int64(h.most) - int64(h.before)
}

// liveHeap is what a collection finds in use, whatever is waiting to be swept, in bytes.
func liveHeap() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
