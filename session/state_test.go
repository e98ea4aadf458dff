package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestStatesAreStreamed watches a session over a loss to its end.
// Asks: nautilus_trader#3204, subxt#2053, subxt#1423, subxt#1190, subxt#1657, subxt#1567, async-substrate-interface#200,
// coinbase-pro-node#102, go-ethereum#22266.
func TestStatesAreStreamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var watching sync.WaitGroup
		var seen []string
		var last session.StateChange
		watching.Go(func() {
			for change := range s.States(t.Context()) {
				seen = append(seen, fmt.Sprintf("%v %d", change.State, change.Epoch))
				last = change
				if (change.Err != nil) != (change.State == session.Backoff || change.State == session.Closed) {
					t.Errorf("%v because of %v", change.State, change.Err)
				}
			}
		})
		synctest.Wait()
		f.last().close()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		watching.Wait()
		// Those between are over so soon that a consumer may miss them.
		for _, want := range []string{"ready 1", "backoff 1", "ready 2", "closed 2"} {
			if !slices.Contains(seen, want) {
				t.Errorf("%q is not among %q", want, seen)
			}
		}
		if seen[0] != "ready 1" || !errors.Is(last.Err, session.ErrClosed) {
			t.Errorf("%q, the last because of %v", seen, last.Err)
		}
	})
}

// TestStatesOfASlowConsumer gives it the newest alone, whose epoch tells what it missed; and lets it leave.
func TestStatesOfASlowConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var epochs []uint64
		for change := range s.States(t.Context()) {
			epochs = append(epochs, change.Epoch)
			if len(epochs) == 2 {
				break
			}
			for range 3 {
				f.last().close()
				synctest.Wait()
				if err := s.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(epochs, []uint64{1, 4}) {
			t.Errorf("epochs %v, want 1 and 4", epochs)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for range s.States(ctx) {
			n++
			cancel()
		}
		if n != 1 {
			t.Errorf("%d changes, want the present state and then the end of ctx", n)
		}
	})
}

// TestReadyIsOfTheConnection: one book whose chain is broken, and whose snapshot does not come, does not stop the session's other
// work. Its stream tells of it.
func TestReadyIsOfTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f, s := newBooks(t)
		sub := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		exchange.silence(true)
		exchange.skip(bookA)
		exchange.change(f, bookA)
		<-time.After(10 * time.Minute)
		if !s.Ready() || s.State() != session.Ready {
			t.Errorf("the session is %v", s.State())
		}
		wantTold(t, "the subscriber", sub, "=100 sequence/0")
		if err := s.Call(t.Context(), "private/buy", order("1"), nil); err != nil {
			t.Error(err)
		}
	})
}
