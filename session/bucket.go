package session

import (
	"context"
	"math"
	"sync"
	"time"
)

// bucket is a token bucket: burst at once, then one per interval.
type bucket struct {
	mu       sync.Mutex // protects the fields below
	burst    int
	interval time.Duration
	spent    time.Time // when the bucket will be full again
}

func newBucket(burst int, interval time.Duration) *bucket {
	return &bucket{burst: burst, interval: interval}
}

// set changes what the bucket holds and how fast it fills; what has been taken from it counts on.
func (b *bucket) set(burst int, interval time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.burst, b.interval = burst, interval
}

// reserve takes one and returns how long to wait for it.
func (b *bucket) reserve(now time.Time) time.Duration {
	delay, _ := b.reserveWithin(now, math.MaxInt64)
	return delay
}

// reserveWithin takes one, unless the wait for it is longer than most, and returns how long that is.
func (b *bucket) reserveWithin(now time.Time, most time.Duration) (delay time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.afterLocked(now)
	delay = next.Sub(now) - time.Duration(b.burst)*b.interval
	if delay > max(0, most) {
		return delay, false
	}
	b.spent = next
	return delay, true
}

// take takes one if there is one.
func (b *bucket) take(now time.Time) bool {
	_, ok := b.reserveWithin(now, 0)
	return ok
}

// afterLocked is when the bucket would be full again if one were taken now.
func (b *bucket) afterLocked(now time.Time) time.Time {
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
	return b.sleep(ctx, delay)
}

// sleep waits for one that was reserved, and gives it back if ctx ends before.
func (b *bucket) sleep(ctx context.Context, delay time.Duration) error {
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
