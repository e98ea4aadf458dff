package session_test

import (
	"context"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// TestDeliverAllocatesNothing counts what a notification allocates from its frame to its consumer.
func TestDeliverAllocatesNothing(t *testing.T) {
	for _, kind := range []struct{ name, channel, message string }{
		{"book", "book.TEST-00000.raw", bookMessage}, {"ticker", "ticker.TEST-00000.raw", tickerMessage},
	} {
		t.Run(kind.name, func(t *testing.T) {
			r := session.NewRegistry()
			inline := 0
			if err := r.AddHandler(func(session.Notification) { inline++ }, kind.channel); err != nil {
				t.Fatal(err)
			}
			sub := add(t, r, kind.channel)
			feed := newFeed(kind.message, 1)
			conn := r.Conn(feed)
			r.Deliver(1, `{"channel":"`+kind.channel+`","data":{"change_id":297218}}`) // a snapshot, which lets the second one in
			ctx, cancel := context.WithCancel(t.Context())
			taken := make(chan int)
			var consumer sync.WaitGroup
			consumer.Go(func() {
				for _, err := range sub.Stream(ctx) {
					if err != nil {
						return
					}
					taken <- 1
				}
			})

			const n = 32 // fewer than the ring holds
			<-taken
			bring := func() {
				feed.bring(n)
				for range n {
					<-taken
				}
			}
			for range 4 { // until every place of the ring has memory
				bring()
			}
			before := inline
			if allocs := testing.AllocsPerRun(20, bring); allocs != 0 {
				t.Errorf("%v allocations for %d notifications, want 0", allocs, n)
			}
			if got := inline - before; got != 21*n { // it runs once more to warm up
				t.Errorf("%d notifications were handled, want %d", got, 21*n)
			}
			cancel()
			consumer.Wait()
			close(feed.ask)
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
