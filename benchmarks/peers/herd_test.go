package peers

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A herd is so many goroutines that make the same call over the same connection.
type herd []*caller

// caller makes calls, one after the other.
type caller struct {
	call  func() error // makes one and checks its result
	every int          // of so many calls one is timed
	took  []time.Duration
	done  int
	err   error
}

// newHerd returns a herd of n callers. With many callers few calls are timed: reading the clock costs a good part of
// what a call does then.
func newHerd(n int, newCall func() func() error) herd {
	every := 1
	if n > 1 {
		every = 8
	}
	h := make(herd, n)
	for i := range h {
		h[i] = &caller{call: newCall(), every: every}
	}
	return h
}

// contender returns the herd with chunks of about 20 ms: long enough that the start and the end of its goroutines, when not
// all of them are at work, hardly count.
func (h herd) contender() (contender, error) {
	const (
		probe     = 8
		chunkTime = 20 * time.Millisecond
	)
	c := contender{ops: probe * len(h), work: h.chunk(probe)}
	if _, err := c.turn(); err != nil { // whatever has to warm up does so here
		return c, err
	}
	perOp, err := c.turn()
	if err != nil {
		return c, err
	}
	calls := max(probe, int(float64(chunkTime)/perOp)/len(h))
	return contender{ops: calls * len(h), work: h.chunk(calls)}, nil
}

// chunk returns the chunk in which every caller makes calls calls.
func (h herd) chunk(calls int) chunk {
	for _, c := range h {
		c.took = make([]time.Duration, 0, calls)
	}
	return func() (int, error) {
		var all sync.WaitGroup
		for _, c := range h {
			all.Go(func() { c.run(calls) })
		}
		all.Wait()
		done := 0
		for _, c := range h {
			if c.err != nil {
				return done, c.err
			}
			done += c.done
		}
		return done, nil
	}
}

func (c *caller) run(calls int) {
	c.took, c.done = c.took[:0], 0
	for i := range calls {
		if i%c.every != 0 {
			c.err = c.call()
		} else {
			start := time.Now()
			c.err = c.call()
			c.took = append(c.took, time.Since(start))
		}
		if c.err != nil {
			return
		}
		c.done++
	}
}

// record enters the times of the last chunk's timed calls.
func (h herd) record(latencies *hdrhistogram.Histogram) error {
	for _, c := range h {
		for _, took := range c.took {
			if err := latencies.RecordValue(int64(took)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rawCall returns a caller's function for raw calls through c.
func (a answer) rawCall(c client) func() error {
	result := new(json.RawMessage)
	return func() error {
		*result = (*result)[:0]
		if err := c.raw(result); err != nil {
			return err
		}
		return a.checkRaw(*result)
	}
}

// typedCall is rawCall for decoded results.
func (a answer) typedCall(c client) func() error {
	result := new(placed)
	return func() error {
		*result = placed{}
		if err := c.typed(result); err != nil {
			return err
		}
		return a.checkTyped(result)
	}
}
