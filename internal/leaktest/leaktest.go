// Package leaktest fails a package's tests if they leave goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines that were told to end may take to do so.
const patience = 5 * time.Second

// Main runs the tests of m and exits the process with their code. If all passed but goroutines that they started are
// still there after a grace of five seconds, it prints the stacks and exits with 1. It is the whole body of a TestMain.
func Main(m *testing.M) {
	before := goroutines()
	code := m.Run()
	if code == 0 {
		if left := leftOver(before, patience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "leaktest: %d goroutines left behind:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// Check fails tb if goroutines that were started after the call are still there at its end, after a grace of five seconds. No other
// test may run meanwhile.
func Check(tb testing.TB) {
	tb.Helper()
	before := goroutines()
	tb.Cleanup(func() {
		if left := leftOver(before, patience); len(left) > 0 {
			tb.Errorf("%d goroutines left behind:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// leftOver waits until no goroutine is left that is not in before, for at most wait, and returns the stacks of those
// that are left then.
func leftOver(before map[string]string, wait time.Duration) []string {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		left := started(before)
		if len(left) == 0 {
			return nil
		}
		pause := time.NewTimer(time.Millisecond)
		select {
		case <-deadline.C:
			pause.Stop()
			return left
		case <-pause.C:
			runtime.Gosched()
		}
	}
}

// started returns the stacks of the goroutines that are not in before and do not belong to the runtime.
func started(before map[string]string) []string {
	var stacks []string
	for id, stack := range goroutines() {
		if _, old := before[id]; !old && !ofRuntime(stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// ofRuntime reports whether stack is of a goroutine that the standard library starts once and never ends.
func ofRuntime(stack string) bool {
	return strings.Contains(stack, "created by runtime.") ||
		strings.Contains(stack, "created by os/signal.Notify") ||
		strings.Contains(stack, "os/signal.loop")
}

// goroutines returns the stack of each goroutine by its header's number.
func goroutines() map[string]string {
	stacks := make(map[string]string)
	for stack := range strings.SplitSeq(dump(), "\n\n") {
		if number, ok := strings.CutPrefix(stack, "goroutine "); ok {
			number, _, _ = strings.Cut(number, " ")
			stacks[number] = stack
		}
	}
	return stacks
}

func dump() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return strings.TrimSpace(string(buf[:n]))
		}
	}
}
