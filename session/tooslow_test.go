package session_test

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// TestHandlerThatBlocksIsCutOff has a handler hold the reader until the exchange gives the connection up, as one whose reader is too
// slow. That is a loss like any other: each subscription is told once, orders are cancelled as configured, and all goes on over the
// next connection.
func TestHandlerThatBlocksIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, SendBuffer: 16 << 10})
		watch := &reasons{}
		cfg.Observer, cfg.CancelOnDisconnect = watch, true
		s := dial(t, cfg)
		if err := s.Call(t.Context(), "private/buy", order("resting"), nil); err != nil {
			t.Fatal(err)
		}
		const channel = "ticker.BTC-PERPETUAL.raw"
		stream := subscribe(t, s, session.SubscribeConfig{Buffer: 1 << 14}, channel)
		release := make(chan struct{})
		var handled, gaps atomic.Int64
		subscribe(t, s, session.SubscribeConfig{
			Handler: func(session.Notification) {
				handled.Add(1)
				<-release
			},
			OnGap: func(error) { gaps.Add(1) },
		}, channel)

		for range 100_000 {
			if server.Tick(); server.Stats().TooSlow > 0 {
				break
			}
			if handled.Load() == 0 {
				synctest.Wait()
			}
		}
		if server.Stats().TooSlow != 1 {
			t.Fatalf("%d connections were too slow; %d notifications were handled", server.Stats().TooSlow, handled.Load())
		}
		close(release)
		<-time.After(time.Second)
		if err := s.WaitReady(t.Context()); err != nil || s.Stats().Epoch != 2 {
			t.Fatalf("epoch %d, %v", s.Stats().Epoch, err)
		}
		if why := watch.of(session.Backoff); !errors.Is(why, io.EOF) && !errors.Is(why, io.ErrUnexpectedEOF) {
			t.Errorf("the connection was lost because of %v", why)
		}
		before := handled.Load()
		server.Tick()
		synctest.Wait()
		if handled.Load() == before {
			t.Error("nothing comes over the next connection")
		}
		told := strings.Join(waiting(t, stream), " ")
		if strings.Count(told, "reconnect") != 1 || strings.HasSuffix(told, "reconnect") || gaps.Load() != 1 {
			t.Errorf("the handler was told of %d gaps, the stream ends with %s", gaps.Load(), told[max(0, len(told)-200):])
		}
		if open := openOrders(t, s); len(open) != 0 {
			t.Errorf("%q are open, though the connection that placed them was lost", open)
		}
	})
}
