package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestOneBookOfManyIsRefusedAnew halves a frame of books that begin anew until the one is found that the exchange refuses. That takes more
// subscribes than there are credits at once, and waits for none that it has itself.
func TestOneBookOfManyIsRefusedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const bad = "book.17.raw"
		var isRefusing atomic.Bool
		exchange, f := newBookExchange(t)
		comply := f.script["public/subscribe"]
		f.script["public/subscribe"] = func(p *peer, r request) {
			if isRefusing.Load() && slices.Contains(channelsOf(r), bad) {
				p.refuse(r, 13021, "forbidden")
				return
			}
			comply(p, r)
		}
		s := dial(t, unbeaten(f))
		subs := map[string]*session.Subscription{}
		for i := range 64 {
			name := fmt.Sprintf("book.%d.raw", i)
			subs[name] = subscribe(t, s, session.SubscribeConfig{}, name)
		}
		isRefusing.Store(true)
		for name := range subs {
			exchange.skip(name)
			exchange.change(f, name)
		}
		<-time.After(time.Minute)
		for name, sub := range subs {
			if name == bad {
				if !isA[*session.SubscribeError](sub.Err()) {
					t.Errorf("the refused one ended with %v", sub.Err())
				}
				continue
			}
			wantTold(t, name, sub, "=100 sequence/0 =102")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.A"); err != nil {
			t.Errorf("Subscribe behind it: %v", err)
		}
	})
}

// TestBookThatIsNotTakenUpAgain is given up for who comes later, who leaves before it is confirmed again: it is taken up again for who had it.
func TestBookThatIsNotTakenUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isRefusing atomic.Bool
		exchange, f := newBookExchange(t)
		comply := f.script["public/subscribe"]
		f.script["public/subscribe"] = func(p *peer, r request) {
			if isRefusing.Load() {
				p.refuse(r, 11051, "system_maintenance")
				return
			}
			comply(p, r)
		}
		s := dial(t, unbeaten(f))
		first := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		isRefusing.Store(true)
		second, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, bookA)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
		isRefusing.Store(false)
		<-time.After(10 * time.Minute)
		exchange.change(f, bookA)
		wantTold(t, "the first", first, "=100 =100 101")
	})
}

// TestBookWhoseSubscribeWasNotAnswered is served to nobody that the session knows of: who subscribes next has a snapshot all the same.
func TestBookWhoseSubscribeWasNotAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isSilent atomic.Bool
		exchange, f := newBookExchange(t)
		comply, leave := f.script["public/subscribe"], f.script["public/unsubscribe"]
		f.script["public/subscribe"] = func(p *peer, r request) {
			if isSilent.Load() {
				exchange.subscribe(p, channelsOf(r))
				return
			}
			comply(p, r)
		}
		f.script["public/unsubscribe"] = func(p *peer, r request) {
			if !isSilent.Load() {
				leave(p, r)
			}
		}
		s := dial(t, unbeaten(f))
		isSilent.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, bookA); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		isSilent.Store(false)
		next := subscribe(t, s, session.SubscribeConfig{}, bookA)
		synctest.Wait()
		exchange.change(f, bookA)
		wantTold(t, "the next", next, "=100 101")
	})
}

// TestConfirmedIsWhatWasAskedFor has an exchange confirm books that nobody asked for: nothing is kept of them.
func TestConfirmedIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			p.answer(r, append(channelsOf(r), "book.B.raw", "book.C.raw"))
		}})
		s := dial(t, scripted(f))
		subscribe(t, s, session.SubscribeConfig{}, bookA)
		if n := s.Served(); n != 1 {
			t.Errorf("%d books are served, want the one that was asked for", n)
		}
	})
}
