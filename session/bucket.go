package session

import (
	"context"
	"sync"
	"time"
)

// bucket is a token bucket: burst at once, then one per interval.
type bucket struct {
	burst    int
	interval time.Duration

	mu    sync.Mutex // protects spent
	spent time.Time  // when the bucket will be full again
}

func newBucket(burst int, interval time.Duration) *bucket {
	return &bucket{burst: burst, interval: interval}
}

// reserve takes one and returns how long to wait for it.
func (b *bucket) reserve(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = b.after(now)
	return b.spent.Sub(now) - time.Duration(b.burst)*b.interval
}

// take takes one if there is one.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.after(now)
	if next.Sub(now) > time.Duration(b.burst)*b.interval {
		return false
	}
	b.spent = next
	return true
}

// after is when the bucket would be full again if one were taken now.
func (b *bucket) after(now time.Time) time.Time {
	if b.spent.Before(now) {
		return now.Add(b.interval)
	}
	return b.spent.Add(b.interval)
}

// wait takes one, in its turn.
func (b *bucket) wait(ctx context.Context) error {
	delay := b.reserve(time.Now())
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		b.giveBack()
		return ctx.Err()
	}
}

// giveBack returns one that was reserved and not used.
func (b *bucket) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = b.spent.Add(-b.interval)
}

// rest lets nothing be taken for d, and one then.
func (b *bucket) rest(now time.Time, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = now.Add(d + time.Duration(b.burst-1)*b.interval)
}
