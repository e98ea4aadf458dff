package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// listener reads a subscription, unless mu is held.
type listener struct {
	reading                sync.WaitGroup
	received, missed, gaps atomic.Uint64

	mu   sync.Mutex // who holds it stops the listener; protects came
	came []int64    // when each message of the watched channel did, in nanoseconds since 1970
}

func listen(ctx context.Context, sub *session.Subscription) *listener {
	l := &listener{}
	l.reading.Go(func() {
		for n, err := range sub.Notifications(ctx) {
			l.see(n, err)
		}
	})
	return l
}

func (l *listener) see(n session.Notification, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap, isGap := errors.AsType[*session.GapError](err)
	switch {
	case isGap:
		l.gaps.Add(1)
		l.missed.Add(gap.Missed)
	case err != nil: // the end
	default:
		l.received.Add(1)
		if n.Channel == watchedChannel {
			l.came = append(l.came, time.Now().UnixNano())
		}
	}
}

// accounted is how many notifications were received, or announced as dropped.
func (l *listener) accounted() uint64 { return l.received.Load() + l.missed.Load() }

// deliveries are how long the messages of the watched channel took that were written at the given times and are those after
// the first ones.
func (l *listener) deliveries(ctx context.Context, first int, sent []int64) (latencies, error) {
	took := newLatencies()
	for deadline := time.Now().Add(time.Minute); ; {
		l.mu.Lock()
		came := l.came
		l.mu.Unlock()
		if len(came) >= first+len(sent) {
			for i, at := range sent {
				took.add(time.Duration(came[first+i] - at))
			}
			return took, nil
		}
		if time.Now().After(deadline) {
			return took, fmt.Errorf("soak: of %d messages written %d have come", first+len(sent), len(came))
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return took, err
		}
	}
}
