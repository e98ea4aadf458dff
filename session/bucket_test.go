package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/session"
)

func TestBucketTake(t *testing.T) {
	t.Parallel()
	b := session.NewBucket(3, time.Second)
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{0, true},
		{0, true},
		{0, false},
		{999 * time.Millisecond, false},
		{time.Second, true},
		{time.Second, false},
		{time.Hour, true},
		{time.Hour, true},
		{time.Hour, true},
		{time.Hour, false},
	} {
		if got := b.Take(start.Add(c.after)); got != c.want {
			t.Errorf("at %v: Take = %t, want %t", c.after, got, c.want)
		}
	}
}

func TestBucketReserve(t *testing.T) {
	t.Parallel()
	b := session.NewBucket(2, time.Second)
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{0, 0, time.Second, 2 * time.Second} {
		if got := max(0, b.Reserve(now)); got != want {
			t.Errorf("reservation %d waits %v, want %v", i, got, want)
		}
	}
}

func TestBucketWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := session.NewBucket(2, time.Second)
		start := time.Now()
		for i, want := range []time.Duration{0, 0, time.Second, 2 * time.Second} {
			counted, err := b.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			counted(time.Now())
			if got := time.Since(start); got != want {
				t.Errorf("turn %d came after %v, want %v", i, got, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want ctx's error", err)
		}
	})
}

// TestBucketIsNeverAheadOfTheExchange has requests on their way for any time, and counted at any time of that: an exchange with no
// more credits refuses none, and all credits are there again when it has been quiet for long enough.
func TestBucketIsNeverAheadOfTheExchange(t *testing.T) {
	t.Parallel()
	const burst, interval = 10, 300 * time.Millisecond
	type request struct {
		arrives, answered int // milliseconds since the start
		counted           func(time.Time)
	}
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	rapid.Check(t, func(t *rapid.T) {
		b := session.NewBucket(burst, interval)
		full := start // when the exchange's own bucket will be
		var open []request
		slowest := rapid.SampledFrom([]int{2, 50, 299, 1000, 5000}).Draw(t, "slowest")
		now := 0
		tick := func() {
			for _, r := range open {
				if r.arrives != now {
					continue
				}
				if full.Before(at(now)) {
					full = at(now)
				}
				if full = full.Add(interval); full.Sub(at(now)) > burst*interval {
					t.Fatalf("after %d ms: too many requests", now)
				}
			}
			open = slices.DeleteFunc(open, func(r request) bool {
				if r.answered == now {
					r.counted(at(now))
				}
				return r.answered == now
			})
			now++
		}
		for range rapid.IntRange(1, 20).Draw(t, "bursts") {
			for wanted := rapid.IntRange(1, 25).Draw(t, "requests"); wanted > 0; tick() {
				for ; wanted > 0; wanted-- {
					counted := b.TakeOpen(at(now))
					if counted == nil {
						break
					}
					arrives := now + rapid.IntRange(0, slowest).Draw(t, "way")
					open = append(open, request{arrives, arrives + rapid.IntRange(0, slowest).Draw(t, "back"), counted})
				}
			}
			for range rapid.IntRange(0, 4000).Draw(t, "pause") {
				tick()
			}
		}
		for len(open) > 0 {
			tick()
		}
		for range burst {
			if b.TakeOpen(at(now).Add(burst*interval)) == nil {
				t.Fatal("not all credits came back")
			}
		}
	})
}
