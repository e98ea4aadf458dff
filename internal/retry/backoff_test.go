package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// TestBackoffNeverGivesUp waits for days: each wait is within the jitter of what it should be.
func TestBackoffNeverGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const initial, longest = 100 * time.Millisecond, 30 * time.Second
		waits := retry.Backoff(initial, longest)
		middle := initial
		for n := range 10_000 {
			wait := waits.NextBackOff()
			if wait < middle/2 || wait > middle*3/2+1 {
				t.Fatalf("wait %d is %v, want about %v", n, wait, middle)
			}
			<-time.After(wait)
			middle = min(2*middle, longest)
		}
		waits.Reset()
		if wait := waits.NextBackOff(); wait > initial*3/2+1 {
			t.Errorf("after Reset the first wait is %v", wait)
		}
	})
}
