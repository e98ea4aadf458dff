package leaktest_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestGoroutineLeftBehindIsFound(t *testing.T) {
	left := leaktest.Snapshot()
	begun, stop := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		close(begun)
		<-stop
	})

	<-begun // until it runs its stack names nothing of this test
	stacks := left(10 * time.Millisecond)
	if len(stacks) != 1 || !strings.Contains(stacks[0], "TestGoroutineLeftBehindIsFound") {
		t.Errorf("stacks left = %q, want the one goroutine of this test", stacks)
	}

	close(stop)
	wg.Wait()
	if stacks := left(5 * time.Second); len(stacks) != 0 {
		t.Errorf("stacks left after the goroutine ended = %q, want none", stacks)
	}
}

func TestGoroutineThatIsEndingIsWaitedFor(t *testing.T) {
	left := leaktest.Snapshot()
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		timer := time.NewTimer(50 * time.Millisecond)
		<-timer.C
		close(ended)
	})
	if stacks := left(5 * time.Second); len(stacks) != 0 {
		t.Errorf("stacks left = %q, want none: the goroutine ends by itself", stacks)
	}
	<-ended
	wg.Wait()
}
