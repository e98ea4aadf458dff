package orderbook_test

import (
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/orderbook"
)

// TestReadersSeeWholeMessages has many goroutines read while changes come, snapshots and doubts: each view is a book as it
// stood after some message, never between two.
func TestReadersSeeWholeMessages(t *testing.T) {
	t.Parallel()
	var b orderbook.Book
	c := newChanges()
	ended := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			var v orderbook.View
			for last := int64(0); ; last = v.ChangeID {
				select {
				case <-ended:
					return
				default:
				}
				wantSound(fatal{t}, &b)
				b.Fill(&v, -1)
				if v.ChangeID < last {
					t.Errorf("after %d came %d", last, v.ChangeID)
				}
				if bid, ask, ok := b.Best(); ok && bid.Price >= ask.Price {
					t.Errorf("crossed: %v | %v", bid, ask)
				}
			}
		})
	}
	for i := range 3000 {
		if i%1000 == 0 {
			b.Invalidate()
			if err := b.Apply(c.full()); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Apply(c.next()); err != nil {
			t.Fatal(err)
		}
	}
	close(ended)
	readers.Wait()
}

// fatal is a test's Fatalf for other goroutines than the test's own.
type fatal struct{ t *testing.T }

// Fatalf fails the test, and goes on.
func (f fatal) Fatalf(format string, args ...any) {
	f.t.Helper()
	f.t.Errorf(format, args...)
}
