package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// TestBackoffNeverGivesUp waits for days: each wait is within the jitter of what it should be, and they are spread over that.
func TestBackoffNeverGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const initial, longest = 100 * time.Millisecond, 30 * time.Second
		waits := retry.Backoff(initial, longest)
		middle, least, most := initial, 1.0, 1.0
		for n := range 10_000 {
			wait := waits.NextBackOff()
			if wait < middle/2 || wait > middle*3/2+1 {
				t.Fatalf("wait %d is %v, want about %v", n, wait, middle)
			}
			part := float64(wait) / float64(middle)
			least, most = min(least, part), max(most, part)
			<-time.After(wait)
			middle = min(2*middle, longest)
		}
		if least > 0.51 || most < 1.49 {
			t.Errorf("waits of %.2f to %.2f of their middle, want a half either way", least, most)
		}
		waits.Reset()
		if wait := waits.NextBackOff(); wait > initial*3/2+1 {
			t.Errorf("after Reset the first wait is %v", wait)
		}
	})
}
