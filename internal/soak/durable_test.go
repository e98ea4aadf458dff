package main_test

import (
	"context"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
)

func TestDurableTimesEverySecret(t *testing.T) {
	keeps(t, main.Durable{Count: 10, Dir: t.TempDir()}, "until durable p99")
}

func TestDurableFindsASlowDisk(t *testing.T) {
	breaks(t, main.Durable{Count: 2, Dir: t.TempDir(), Fault: func() {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		<-ctx.Done()
	}}, "until durable p99")
}
