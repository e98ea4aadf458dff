//go:build !linux

package main

import "time"

// beat ticks as well as the runtime's timers can.
type beat struct {
	ticker *time.Ticker
	every  time.Duration
	begun  time.Time
	seen   int
}

func newBeat(every time.Duration) (*beat, error) {
	return &beat{ticker: time.NewTicker(every), every: every, begun: time.Now()}, nil
}

// next waits for the next tick, and returns how many are due.
func (b *beat) next() (due int, err error) {
	for due == 0 {
		<-b.ticker.C
		due = int(time.Since(b.begun)/b.every) - b.seen
	}
	b.seen += due
	return due, nil
}

func (b *beat) close() error {
	b.ticker.Stop()
	return nil
}
