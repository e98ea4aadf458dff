package main

import (
	"errors"
	"sync"
	"time"
)

// chunk is what the calls of some time met with.
type chunk struct {
	took, late latencies
	failures   []error
}

func newChunk() chunk { return chunk{took: newLatencies(), late: newLatencies()} }

// load makes rate calls a second while during runs, none waiting for another, and adds them to c. send sends one and returns
// what waits for its answer.
func (c *chunk) load(rate int, during func() error, send func() (wait func() error)) error {
	stop := make(chan struct{})
	var runs error
	var beside, calls sync.WaitGroup
	beside.Go(func() {
		defer close(stop)
		runs = during()
	})
	var mu sync.Mutex // protects c.took and c.failures
	err := pace(time.Second/time.Duration(rate), stop, func(due time.Time) {
		c.late.add(time.Since(due))
		answer := send()
		calls.Go(func() {
			err := answer()
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			c.took.add(took)
			if err != nil {
				c.failures = append(c.failures, err)
			}
		})
	})
	beside.Wait()
	calls.Wait()
	return errors.Join(err, runs)
}

// failures adds up those of chunks.
func failures(what string, chunks ...chunk) figure {
	failed := figure{What: what}
	for _, c := range chunks {
		failed.Value += float64(len(c.failures))
		if len(c.failures) > 0 {
			failed.Detail = c.failures[0].Error()
		}
	}
	return failed
}
