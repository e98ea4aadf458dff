//go:build race

package session_test

// raced says that the race detector is on, which keeps books of its own in memory.
const raced = true
