// Package retry has the waits between attempts.
package retry

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff returns waits that begin at initial and double up to longest, with jitter of a half either way. They never end:
// what is tried again here is meant to outlive any outage. One goroutine at a time uses them.
func Backoff(initial, longest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff() //nolint:forbidigo // MaxElapsedTime is set to 0 below
	b.InitialInterval = initial
	b.Multiplier = 2
	b.MaxInterval = longest
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}
