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

// load makes rate calls a second while during runs, none waiting for another. send sends one and returns what waits for its answer.
func load(rate int, during func() error, send func() (wait func() error)) (c chunk, err error) {
	c = chunk{took: newLatencies(), late: newLatencies()}
	stop := make(chan struct{})
	var runs error
	var beside, calls sync.WaitGroup
	beside.Go(func() {
		defer close(stop)
		runs = during()
	})
	var mu sync.Mutex // protects c.took and c.failures
	err = pace(time.Second/time.Duration(rate), stop, func(due time.Time) {
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
	return c, errors.Join(err, runs)
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
