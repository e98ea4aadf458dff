package session

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// bucket is a token bucket: burst at once, then one per interval.
type bucket struct {
	mu       sync.Mutex // protects the fields below
	burst    int
	interval time.Duration
	spent    time.Time     // when the bucket will be full again
	taken    int           // how many ever were
	open     []int         // those of them that the exchange may yet count, in their order
	changed  chan struct{} // closed and replaced when it has counted one
	void     chan struct{} // closed and replaced when what is reserved holds no longer
}

func newBucket(burst int, interval time.Duration) *bucket {
	return &bucket{burst: burst, interval: interval, changed: make(chan struct{}), void: make(chan struct{})}
}

// set changes what the bucket holds and how fast it fills; what has been taken from it counts on.
func (b *bucket) set(burst int, interval time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.burst, b.interval = burst, interval
}

// reserve takes one and returns how long to wait for it.
func (b *bucket) reserve(now time.Time) time.Duration {
	delay, _, _ := b.reserveWithin(now, math.MaxInt64)
	return delay
}

// reserveWithin takes one, unless the wait for it is longer than most, and returns how long that is. Once void is closed it is taken
// no longer.
func (b *bucket) reserveWithin(now time.Time, most time.Duration) (delay time.Duration, void <-chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.afterLocked(now)
	delay = next.Sub(now) - time.Duration(b.burst)*b.interval
	if delay > max(0, most) {
		return delay, nil, false
	}
	b.takeLocked(next)
	return delay, b.void, true
}

// takeLocked takes one, after which the bucket is full at that time.
func (b *bucket) takeLocked(full time.Time) {
	b.spent = full
	b.taken++
}

// take takes one if there is one.
func (b *bucket) take(now time.Time) bool {
	_, _, ok := b.reserveWithin(now, 0)
	return ok
}

// afterLocked is when the bucket would be full again if one were taken now.
func (b *bucket) afterLocked(now time.Time) time.Time {
	if b.spent.Before(now) {
		return now.Add(b.interval)
	}
	return b.spent.Add(b.interval)
}

// wait takes one when there is one at the exchange too, however long requests are on their way. Who takes it says when it is counted.
func (b *bucket) wait(ctx context.Context) (credit, error) {
	for {
		n, delay, changed := b.takeOpen(time.Now())
		if n > 0 {
			return credit{b, n}, nil
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return credit{}, ctx.Err()
		}
	}
}

// takeOpen takes one, if there is one even when the exchange counts no sooner than now what is on its way. Else n is 0, and the next
// try is due after delay, or when changed is closed.
func (b *bucket) takeOpen(now time.Time) (n int, delay time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.afterLocked(now)
	sure := next
	if len(b.open) > 0 {
		sure = b.laterLocked(next, now.Add(b.interval), b.open[0])
	}
	if delay = sure.Sub(now) - time.Duration(b.burst)*b.interval; delay > 0 {
		return 0, delay, b.changed
	}
	b.takeLocked(next)
	b.open = append(b.open, b.taken)
	return b.taken, 0, nil
}

// laterLocked is full, or the time at which a bucket is full that counts the nth, and all after it, at the time at: the later of both.
func (b *bucket) laterLocked(full, at time.Time, nth int) time.Time {
	if t := at.Add(time.Duration(b.taken-nth+1) * b.interval); t.After(full) {
		return t
	}
	return full
}

// credit is one that was taken from a bucket.
type credit struct {
	bucket *bucket
	n      int
}

// counted is told that the exchange has counted it by now, if it ever does: it has answered, or never will.
func (c credit) counted(now time.Time) {
	b := c.bucket
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = b.laterLocked(b.spent, now, c.n)
	b.open = slices.DeleteFunc(b.open, func(n int) bool { return n == c.n })
	close(b.changed)
	b.changed = make(chan struct{})
}

// waitWithin takes one within a time from now, or fails at once with ErrRateLimited, and reports whether that took time.
func (b *bucket) waitWithin(ctx context.Context, now time.Time, most time.Duration) (waited bool, err error) {
	for end := now.Add(most); ; now, waited = time.Now(), true {
		delay, void, ok := b.reserveWithin(now, end.Sub(now))
		switch {
		case !ok:
			return waited, ErrRateLimited
		case delay <= 0:
			return waited, nil
		}
		if held, err := b.sleep(ctx, delay, void); held || err != nil {
			return true, err
		}
	}
}

// sleep waits for one that was reserved, and reports whether it still is. If ctx ends before, it gives it back.
func (b *bucket) sleep(ctx context.Context, delay time.Duration, void <-chan struct{}) (held bool, err error) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-void:
		return false, nil
	case <-ctx.Done():
		b.giveBack(void)
		return false, ctx.Err()
	}
}

// giveBack returns one that was reserved and not used.
func (b *bucket) giveBack(void <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.void == void {
		b.spent = b.spent.Add(-b.interval)
	}
}

// rest lets nothing be taken for d, and one then. Who waits for one begins anew.
func (b *bucket) rest(now time.Time, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.beginLocked(now.Add(d + time.Duration(b.burst-1)*b.interval))
}

// drain takes all that there is. Who waits for one begins anew.
func (b *bucket) drain(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.beginLocked(now.Add(time.Duration(b.burst) * b.interval))
}

// beginLocked forgets what is reserved: the bucket will be full at that time, and whoever waits reserves again.
func (b *bucket) beginLocked(full time.Time) {
	b.spent = full
	close(b.void)
	b.void = make(chan struct{})
}
