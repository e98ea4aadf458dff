package leaktest

import "time"

// Snapshot remembers the goroutines of now and returns a function that waits for those started since, and returns the
// stacks of those that are left.
func Snapshot() func(wait time.Duration) []string {
	before := goroutines()
	return func(wait time.Duration) []string { return leftOver(before, wait) }
}
