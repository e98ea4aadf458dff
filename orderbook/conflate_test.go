package orderbook_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// TestFollowOverConflate has a complete message wait while its connection is lost, and no other is to be had: the book that it is of is
// stale, until the next connection brings one.
func TestFollowOverConflate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := deribittest.NewMemoryListener()
		server := exchangetest.New(t, deribittest.Config{Tick: -1, Listener: listener})
		var isFar atomic.Bool
		s, err := session.Dial(t.Context(), session.Config{
			URL: server.URL(), Logger: exchangetest.Logger(io.Discard),
			NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if isFar.Load() {
					return nil, errors.New("no route")
				}
				return listener.DialContext(ctx, network, addr)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		m := &market{t, server, s, map[string]string{}}
		const instrument, channel = "BTC-PERPETUAL", "book.BTC-PERPETUAL.none.20.100ms"
		sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{Policy: session.Conflate}, channel)
		if err != nil {
			t.Fatal(err)
		}
		m.move(instrument)
		<-time.After(time.Second) // its message waits
		isFar.Store(true)
		server.CutConnections()
		<-time.After(time.Minute)

		var book orderbook.Book
		var told []error
		var follower sync.WaitGroup
		follower.Go(func() {
			for _, err := range orderbook.Follow(t.Context(), sub, map[string]*orderbook.Book{channel: &book}) {
				told = append(told, err)
			}
		})
		<-time.After(5 * time.Minute)
		if got := shown(&book); got != "stale" {
			t.Errorf("without a connection the book shows %s", got)
		}
		isFar.Store(false)
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.move(instrument)
		<-time.After(time.Second)
		if want := m.truth[instrument+" now"]; top(&book) != want {
			t.Errorf("the book shows %s, the exchange has %s", top(&book), want)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		follower.Wait()
		gap, isGap := errors.AsType[*session.GapError](told[0])
		if !isGap || gap.Reason != session.GapReconnect || gap.Missed != 1 || slices.Index(told, nil) != 1 {
			t.Errorf("told %v", told)
		}
	})
}
