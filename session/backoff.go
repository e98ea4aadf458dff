package session

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// newBackoff never gives up: a session is meant to outlive any outage.
func newBackoff() Backoffer {
	b := backoff.NewExponentialBackOff() //nolint:forbidigo // MaxElapsedTime is set to 0 below
	b.InitialInterval = 100 * time.Millisecond
	b.Multiplier = 2
	b.MaxInterval = 30 * time.Second
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}
