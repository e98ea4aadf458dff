package main

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// gate tells whether it is safe to quote: the session is authenticated, its orders are cancelled if it is lost, and its channels are confirmed.
type gate struct {
	log     *log.Logger
	changed chan struct{}

	mu    sync.Mutex // protects the fields below
	open  bool
	since time.Time // when it was shut
	stops int
	lost  time.Duration
}

// watch follows the session's state until ctx ends, and tells whoever watches.
func (g *gate) watch(ctx context.Context, s *session.Session) {
	var epoch uint64 // of the connection over which it was safe last
	for change := range s.States(ctx) {
		isReady, wasOpen := change.State == session.Ready, g.isOpen()
		g.set(isReady)
		switch {
		case !isReady && wasOpen:
			g.log.Printf("halted: %v", change.Err)
		case isReady && !wasOpen:
			g.log.Printf("quoting over connection %d", change.Epoch)
		case isReady && change.Epoch > epoch:
			g.log.Printf("quoting on, over connection %d", change.Epoch)
		}
		if isReady {
			epoch = change.Epoch
		}
	}
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	switch {
	case open && !g.open && !g.since.IsZero():
		g.lost += time.Since(g.since)
	case !open && g.open:
		g.stops++
		g.since = time.Now()
	}
	g.open = open
	g.mu.Unlock()
	select {
	case g.changed <- struct{}{}:
	default: // it is known already
	}
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// wait waits until the gate is open, and reports false if ctx ends before.
func (g *gate) wait(ctx context.Context) bool {
	for !g.isOpen() {
		select {
		case <-g.changed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
