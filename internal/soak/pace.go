package main

import (
	"errors"
	"time"
)

// pace calls fn for each tick until stop is closed, each time with when it should have been: who measures from there sees what
// a stall has held up too. fn must not wait.
func pace(every time.Duration, stop <-chan struct{}, fn func(due time.Time)) (err error) {
	due := time.Now()
	b, err := newBeat(every)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for {
		n, err := b.next()
		if err != nil {
			return err
		}
		for range n {
			due = due.Add(every)
			fn(due)
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}
