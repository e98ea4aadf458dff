package session_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// witnessed are channels whose every message two sessions are to see alike.
var witnessed = []string{
	"book.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.none.10.100ms", "trades.BTC-PERPETUAL.raw",
	"ticker.BTC-PERPETUAL.raw", "quote.ETH-PERPETUAL", "user.orders.any.any.raw",
}

// TestHandoverUnderLoad reconnects a session twelve times while callers place, cancel and read over it, and streams and a handler listen.
// No call fails, no order is placed twice or cancelled by the exchange, no gap is told, and every stream is to the letter that of a
// session that was left alone.
// Asks: binance-connector-python#442.
func TestHandoverUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: 5 * time.Millisecond, Reorder: true})
		cfg.CancelOnDisconnect = true
		witness, s := dial(t, cfg), dial(t, cfg)
		roomy := session.SubscribeConfig{Buffer: 1 << 16, BufferBytes: 1 << 30}
		told := map[*session.Session]map[string]*session.Subscription{witness: {}, s: {}}
		for _, of := range []*session.Session{witness, s} {
			for _, name := range witnessed {
				told[of][name] = subscribe(t, of, roomy, name)
			}
		}
		handled := 0 // by one goroutine at a time, or the race detector tells
		handler := subscribe(t, s, session.SubscribeConfig{
			Handler: func(session.Notification) { handled++ },
			OnGap:   func(err error) { t.Errorf("the handler is told: %v", err) },
		}, witnessed[1:]...)

		end := make(chan struct{})
		var callers sync.WaitGroup
		var placed, kept atomic.Int64
		for caller := range 8 {
			callers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-end:
						return
					default:
					}
					label := fmt.Sprintf("%d-%d", caller, n)
					if err := s.Call(t.Context(), "private/buy", order(label), nil); err != nil {
						t.Errorf("%s: %v", label, err)
					}
					var open []struct{}
					if err := s.Call(t.Context(), "private/get_open_orders_by_label", map[string]any{"currency": "BTC", "label": label}, &open); err != nil ||
						len(open) != 1 {
						t.Errorf("%s: %d open orders, %v", label, len(open), err)
					}
					if n := server.Executed(label); n != 1 {
						t.Errorf("%s: placed %d times", label, n)
					}
					if n%10 == 0 {
						kept.Add(1)
					} else if err := s.Call(t.Context(), "private/cancel_by_label", map[string]any{"currency": "BTC", "label": label}, nil); err != nil {
						t.Errorf("cancel %s: %v", label, err)
					}
					placed.Add(1)
					time.Sleep(20 * time.Millisecond) //nolint:forbidigo // virtual time
				}
			})
		}
		const handovers = 12
		for n := range handovers {
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // virtual time
			if err := s.Reconnect(t.Context()); err != nil {
				t.Fatalf("handover %d: %v", n, err)
			}
		}
		close(end)
		callers.Wait()
		if err := handler.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		var open []struct{}
		if err := s.Call(t.Context(), "private/get_open_orders", nil, &open); err != nil || int64(len(open)) != kept.Load() {
			t.Errorf("%d open orders of %d, %v", len(open), kept.Load(), err)
		}
		synctest.Wait() // what was published meanwhile has come over both
		for _, name := range witnessed {
			sameStream(t, name, told[witness][name], told[s][name], handovers)
		}
		if handled == 0 || s.Stats().Epoch != handovers+1 {
			t.Errorf("%d notifications handled, epoch %d", handled, s.Stats().Epoch)
		}
		if st := s.Stats(); st.Conn.Pending != 0 || server.Stats().OpenConnections != 2 {
			t.Errorf("%d calls pending, %d connections open", st.Conn.Pending, server.Stats().OpenConnections)
		}
		t.Logf("%d orders, %d notifications handled over %d handovers", placed.Load(), handled, handovers)
	})
}

// sameStream holds one stream against the other, which began earlier: no gap, and message for message the same. A channel that begins
// with how things stand may say so once more at each handover.
func sameStream(t *testing.T, name string, witness, sub *session.Subscription, handovers int) {
	t.Helper()
	want, got := messages(t, name, witness), messages(t, name, sub)
	if name != witnessed[0] { // a state that is told twice is the same state
		want, got = slices.CompactFunc(want, bytes.Equal), slices.CompactFunc(got, bytes.Equal)
	}
	if len(got) < 10 {
		t.Errorf("%s: only %d messages", name, len(got))
		return
	}
	begins := !strings.HasPrefix(name, "trades.") && !strings.HasPrefix(name, "user.")
	if begins {
		got = got[1:] // a snapshot of its own, say
	}
	at, again := 0, 0
	for i, m := range got {
		if i == again {
			at = max(0, slices.IndexFunc(want, func(w []byte) bool { return bytes.Equal(w, m) }))
		}
		switch {
		case at < len(want) && bytes.Equal(m, want[at]):
			at++
		case begins && name != witnessed[0]:
			again++
		default:
			t.Errorf("%s: message %d of %d differs:\n%.200s\nand the witness has\n%.200s", name, i, len(got), m, want[min(at, len(want)-1)])
			return
		}
	}
	if at < len(want) || again > handovers {
		t.Errorf("%s: %d of %d messages, %d again", name, at, len(want), again)
	}
	t.Logf("%s: %d messages, %d again", name, len(got), again)
}

func messages(t *testing.T, name string, sub *session.Subscription) (data [][]byte) {
	t.Helper()
	for n, err := range session.Waiting(sub) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data = append(data, bytes.Clone(n.Data))
	}
	return data
}
