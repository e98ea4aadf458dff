package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("turn %d came after %v, want %v", i, got, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want ctx's error", err)
		}
	})
}
