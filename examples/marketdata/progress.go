package main

import (
	"cmp"
	"context"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// progress tells whoever watches how the run goes: a line now and then, and what happens as it happens.
type progress struct {
	log            *log.Logger
	messages, gaps atomic.Uint64 // so far
}

func newProgress(out io.Writer) *progress { return &progress{log: log.New(out, "", log.Ltime)} }

func (p *progress) message() { p.messages.Add(1) }

func (p *progress) gap(gap *session.GapError) {
	p.gaps.Add(1)
	p.log.Printf("%s: %v", cmp.Or(gap.Channel, "all channels"), gap)
}

func (p *progress) refused(refusal *session.SubscribeError) { p.log.Print(refusal) }

// follow tells of a pair until ctx ends.
func (p *progress) follow(ctx context.Context, pair *session.Group, every time.Duration) {
	var watchers sync.WaitGroup
	defer watchers.Wait()
	for _, s := range pair.Sessions() {
		watchers.Go(func() { p.watch(ctx, s) })
	}
	p.tell(ctx, pair, every)
}

// tell prints a line every so often until ctx ends.
func (p *progress) tell(ctx context.Context, pair *session.Group, every time.Duration) {
	due := time.NewTicker(every)
	defer due.Stop()
	last := uint64(0)
	for {
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
		ready := 0
		for _, s := range pair.Sessions() {
			if s.Ready() {
				ready++
			}
		}
		n := p.messages.Load()
		p.log.Printf("%d messages, %.1f/s, %d gaps; %d of %d connections ready",
			n, float64(n-last)/every.Seconds(), p.gaps.Load(), ready, len(pair.Sessions()))
		last = n
	}
}

// watch tells when a session loses its connection and when it is back, until ctx ends.
func (p *progress) watch(ctx context.Context, s *session.Session) {
	var epoch uint64
	var lost time.Time
	for change := range s.States(ctx) {
		switch {
		case change.State == session.Backoff && lost.IsZero():
			lost = time.Now()
			p.log.Printf("%s has lost its connection: %v", s.Name(), change.Err)
		case change.State == session.Closed:
			p.log.Printf("%s has ended: %v", s.Name(), change.Err)
		case change.State != session.Ready:
		case !lost.IsZero():
			p.log.Printf("%s is back after %v", s.Name(), time.Since(lost).Round(time.Millisecond))
			epoch, lost = change.Epoch, time.Time{}
		default: // a loss may be over so soon that a watcher sees the new connection alone
			if epoch > 0 && change.Epoch > epoch {
				p.log.Printf("%s has another connection", s.Name())
			}
			epoch = change.Epoch
		}
	}
}
