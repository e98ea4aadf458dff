package benchmarks

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// timedCallers is how many callers of a fleet time their calls: reading the clock costs as much as a part of a call.
const timedCallers = 8

// fleet is callers that make calls at the same time. They live as long as the benchmark does.
type fleet struct {
	each    int // calls of each in a chunk
	start   []chan struct{}
	ended   chan error
	latency []latencies // of the first callers
}

// newFleet returns the callers of a load. prepare makes what one caller calls.
func newFleet(b *testing.B, load callLoad, prepare func() func() error) *fleet {
	b.Helper()
	f := &fleet{each: load.each, ended: make(chan error, load.callers)}
	var all sync.WaitGroup
	for i := range load.callers {
		start := make(chan struct{})
		f.start = append(f.start, start)
		call := prepare()
		run := func() error { return f.run(call) }
		if i < timedCallers {
			latency := newLatencies()
			f.latency = append(f.latency, latency)
			run = func() error { return f.runTimed(call, latency) }
		}
		all.Go(func() {
			for range start {
				f.ended <- run()
			}
		})
	}
	b.Cleanup(func() {
		for _, start := range f.start {
			close(start)
		}
		all.Wait()
	})
	return f
}

// chunk has each caller make its calls.
func (f *fleet) chunk() (ops int, err error) {
	for _, start := range f.start {
		start <- struct{}{}
	}
	for range f.start {
		err = errors.Join(err, <-f.ended)
	}
	return len(f.start) * f.each, err
}

func (f *fleet) run(call func() error) error {
	for range f.each {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) runTimed(call func() error, latency latencies) error {
	last := time.Now()
	for range f.each {
		if err := call(); err != nil {
			return err
		}
		now := time.Now()
		if err := latency.RecordValue(now.Sub(last).Nanoseconds()); err != nil {
			return err
		}
		last = now
	}
	return nil
}
