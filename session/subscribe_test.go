package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

func subscribe(t *testing.T, s *session.Session, cfg session.SubscribeConfig, channels ...string) *session.Subscription {
	t.Helper()
	sub, err := s.Subscribe(t.Context(), cfg, channels...)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return sub
}

// accepting is a script entry that confirms only channels with a prefix.
func accepting(prefix string) func(*peer, request) {
	return func(p *peer, r request) {
		p.answer(r, slices.DeleteFunc(channelsOf(r), func(n string) bool { return !strings.HasPrefix(n, prefix) }))
	}
}

// TestSubscribeIsAllOrNothing has the exchange leave a channel out: nothing is kept of the others.
// Asks: go-deribit#16, gocryptotrader#1857.
func TestSubscribeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": accepting("ticker.")})
		s := dial(t, scripted(f))
		_, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A", "no.such", "ticker.B", "nor.this")
		refused, ok := errors.AsType[*session.SubscribeError](err)
		if !ok || !slices.Equal(refused.Refused, []string{"no.such", "nor.this"}) || !strings.Contains(err.Error(), "check the names and the scope") {
			t.Errorf("%v, want the two channels that were left out", err)
		}
		if n := s.Stats().Channels; n != 0 || len(s.Channels()) != 0 {
			t.Errorf("%d channels are still desired", n)
		}
		if n := f.count("public/unsubscribe"); n != 1 {
			t.Errorf("%d unsubscribes, want one for what had been accepted", n)
		}
	})
}

func TestSubscribeChecksNames(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	s := dial(t, scripted(f))
	for name, channels := range map[string][]string{
		"none": nil, "empty": {""}, "too long": {"ticker.A", strings.Repeat("x", 129)},
	} {
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, channels...); !errors.Is(err, session.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	if n := f.count("public/subscribe"); n != 0 {
		t.Errorf("%d subscribes left", n)
	}
}

// TestSubscribeRefusedWhole is an error of the whole call, and its effect on what others have.
func TestSubscribeRefusedWhole(t *testing.T) {
	t.Parallel()
	f := newFar(t, script{"private/subscribe": refusing(13021, "forbidden")})
	s := dial(t, scripted(f))
	kept := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
	_, err := s.Subscribe(t.Context(), session.SubscribeConfig{
		Handler: func(session.Notification) {}, OnGap: func(err error) { t.Errorf("OnGap is told what Subscribe returns: %v", err) },
	}, "ticker.A", "user.lock")
	if refusal, ok := errors.AsType[*rpc.Error](err); !ok || refusal.Code != session.CodeForbidden {
		t.Errorf("%v, want 13021", err)
	}
	if kept.Err() != nil || !slices.Equal(kept.Channels(), []string{"ticker.A"}) || f.count("public/unsubscribe") != 0 {
		t.Errorf("the other subscription: %v, %q", kept.Err(), kept.Channels())
	}
}

// TestSubscribeWithoutAuthorityIsFenced has the exchange refuse raw channels until the connection authenticates anew.
func TestSubscribeWithoutAuthorityIsFenced(t *testing.T) {
	t.Parallel()
	l, f := newLedger(t)
	f.script["public/subscribe"] = func(p *peer, r request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.authorised {
			p.refuse(r, int(session.CodeRawNeedsAuth), "raw_subscriptions_not_available_for_unauthorized")
			return
		}
		p.comply(r)
	}
	s := dial(t, scripted(f))
	l.revoke()
	sub := subscribe(t, s, session.SubscribeConfig{}, "book.A.raw")
	if len(l.authentications()) != 2 || sub.Err() != nil {
		t.Errorf("%d authentications, %v", len(l.authentications()), sub.Err())
	}
}

// TestSharedChannelHasOneServerSubscription closes two subscribers of one channel: only the last takes it back.
// Asks: go-deribit#22.
func TestSharedChannelHasOneServerSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		first := subscribe(t, s, session.SubscribeConfig{}, "ticker.A", "ticker.B", "ticker.A")
		second := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		if n := f.count("public/subscribe"); n != 1 {
			t.Errorf("%d subscribes, want 1", n)
		}
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, first), "1")
		wantEntries(t, waiting(t, second), "1")

		var unsubscribed []string
		f.script = script{"public/unsubscribe": func(p *peer, r request) {
			unsubscribed = append(unsubscribed, channelsOf(r)...)
			p.comply(r)
		}}
		for _, sub := range []*session.Subscription{first, second, second} {
			if err := sub.Close(t.Context()); err != nil || !errors.Is(sub.Err(), session.ErrUnsubscribed) {
				t.Errorf("Close: %v, ended with %v", err, sub.Err())
			}
		}
		if !slices.Equal(unsubscribed, []string{"ticker.B", "ticker.A"}) || s.Stats().Channels != 0 {
			t.Errorf("unsubscribed %q, %d channels left", unsubscribed, s.Stats().Channels)
		}
		f.last().notify("ticker.A", "2")
		synctest.Wait()
		if got := waiting(t, second); len(got) > 0 {
			t.Errorf("after its Close came %q", got)
		}
	})
}

// TestNotificationsBeforeTheReplyAreKept is an exchange that sends the snapshot before it answers the subscribe.
// Asks: ccxt#23251, ccxt#29719.
func TestNotificationsBeforeTheReplyAreKept(t *testing.T) {
	t.Parallel()
	f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
		p.notify("book.A.raw", `{"type":"snapshot","change_id":1}`)
		p.notify("book.A.raw", `{"change_id":2,"prev_change_id":1}`)
		p.comply(r)
	}})
	s := dial(t, scripted(f))
	sub := subscribe(t, s, session.SubscribeConfig{}, "book.A.raw")
	wantEntries(t, waiting(t, sub), `{"type":"snapshot","change_id":1} {"change_id":2,"prev_change_id":1}`)
}

// TestNotificationsEndWithTheirContext has a consumer who never finds its stream empty: the end of its ctx ends it all the same, and who
// takes it up again finds what still waits.
func TestNotificationsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{Buffer: 4}, "ticker.A")
		f.last().notify("ticker.A", "1")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		taken := 0
		var last error
		for _, err := range sub.Notifications(ctx) {
			if taken++; taken == 10 {
				break
			}
			cancel()
			for range 2 {
				f.last().notify("ticker.A", "2")
			}
			synctest.Wait()
			last = err
		}
		if taken > 2 || !errors.Is(last, context.Canceled) || sub.Err() != nil {
			t.Errorf("%d taken, the last error %v, the subscription's %v: want one, and ctx's error", taken, last, sub.Err())
		}
		wantEntries(t, waiting(t, sub), "2 2 2 2")
	})
}

// TestHandlerRunsInWireOrder gives each notification to a handler and to a tap, as they come and with their gaps.
func TestHandlerRunsInWireOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var handled, tapped []string
		remove := s.Handle("ticker.A", func(n session.Notification) { tapped = append(tapped, string(n.Data)) })
		f.last().notify("ticker.A", `"before anybody subscribed"`)
		synctest.Wait()
		sub := subscribe(t, s, session.SubscribeConfig{
			Handler: func(n session.Notification) { handled = append(handled, n.Channel+string(n.Data)) },
			OnGap:   func(err error) { handled = append(handled, describe(session.Notification{}, err)) },
		}, "ticker.A", "ticker.B")
		for i := range 3 {
			f.last().notify("ticker.A", strconv.Itoa(i))
			f.last().notify("ticker.B", strconv.Itoa(i))
		}
		synctest.Wait()
		remove()
		f.last().close()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		f.last().notify("ticker.A", "9")
		synctest.Wait()
		want := "ticker.A0 ticker.B0 ticker.A1 ticker.B1 ticker.A2 ticker.B2 reconnect/0 ticker.A9"
		wantEntries(t, handled, want)
		wantEntries(t, tapped, `"before anybody subscribed" 0 1 2`)
		for _, err := range sub.Notifications(t.Context()) {
			if !errors.Is(err, session.ErrConfig) {
				t.Errorf("a stream beside a handler: %v", err)
			}
		}
	})
}

// Asks: jsonrpsee#1291.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		told := make(chan error, 1)
		subscribe(t, s, session.SubscribeConfig{Handler: func(session.Notification) {}, OnGap: func(err error) { told <- err }}, "ticker.A")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range sub.Notifications(ctx) {
			if !errors.Is(err, context.DeadlineExceeded) || sub.Err() != nil {
				t.Errorf("at ctx's end: %v, subscription %v", err, sub.Err())
			}
		}
		f.last().notify("ticker.A", "1")
		f.last().notify("ticker.A", "2")
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantEntries(t, waiting(t, sub), "1 2 "+session.ErrClosed.Error())
		if !errors.Is(sub.Err(), session.ErrClosed) {
			t.Errorf("ended with %v", sub.Err())
		}
		if err := <-told; !errors.Is(err, session.ErrClosed) {
			t.Errorf("the handler was told %v", err)
		}
		if err := sub.Close(t.Context()); err != nil {
			t.Errorf("Close after the end: %v", err)
		}
		if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A"); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Subscribe after the end: %v", err)
		}
	})
}

// TestFailPolicyEndsTheSubscription is a consumer that would rather stop than miss anything.
// Asks: jsonrpsee#1291.
func TestFailPolicyEndsTheSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{Policy: session.Fail, Buffer: 2}, "ticker.A")
		for i := range 5 {
			f.last().notify("ticker.A", strconv.Itoa(i))
		}
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "0 1 overflow/1")
		if gap, ok := errors.AsType[*session.GapError](sub.Err()); !ok || gap.Reason != session.GapOverflow {
			t.Errorf("ended with %v, want the overflow", sub.Err())
		}
		if err := sub.Close(t.Context()); err != nil || f.count("public/unsubscribe") != 1 || s.Stats().Channels != 0 {
			t.Errorf("Close: %v, %d unsubscribes, %d channels left", err, f.count("public/unsubscribe"), s.Stats().Channels)
		}
	})
}

// TestOverflowIsToldToTheObserver holds Observer.Gap to its word: it is told of each marker.
func TestOverflowIsToldToTheObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, nil), &recorder{}
		cfg := scripted(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		subscribe(t, s, session.SubscribeConfig{Buffer: 2}, "ticker.A")
		for i := range 5 {
			f.last().notify("ticker.A", strconv.Itoa(i))
		}
		synctest.Wait()
		for _, kind := range s.Stats().Kinds {
			if kind.Kind == "ticker" && kind.Dropped != 3 {
				t.Errorf("%+v", kind)
			}
		}
		if len(watch.gaps) != 1 || watch.gaps[0].Reason != session.GapOverflow {
			t.Errorf("the observer was told of %v", watch.gaps)
		}
	})
}

// TestSubscribePacesItself subscribes 6,000 channels: in frames of at most 500, and no faster than the exchange's credits.
func TestSubscribePacesItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var names []string
		for i := range 6000 {
			names = append(names, fmt.Sprintf("ticker.%05d", i))
		}
		start := time.Now()
		sub := subscribe(t, s, session.SubscribeConfig{}, names...)
		if n, took := f.count("public/subscribe"), time.Since(start); n != 12 || took < time.Second || took > 3*time.Second {
			t.Errorf("%d subscribes in %v", n, took)
		}
		if !slices.Equal(sub.Channels(), names) || s.Stats().Channels != 6000 {
			t.Errorf("%d channels", len(sub.Channels()))
		}
	})
}

// TestSubscribeCtx leaves a Subscribe that the exchange never answers.
func TestSubscribeCtx(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": silent, "public/unsubscribe": silent})
		s := dial(t, scripted(f))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.A"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want ctx's error", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Subscribe returned after %v", took)
		}
		synctest.Wait()
		if n := s.Stats().Channels; n != 0 || f.count("public/unsubscribe") != 1 {
			t.Errorf("%d channels desired, %d unsubscribes", n, f.count("public/unsubscribe"))
		}
	})
}

// TestSubscribeOverALostConnection loses the connection before the answer: the next one resumes what was asked for.
func TestSubscribeOverALostConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/subscribe": func(p *peer, r request) {
			if p.number == 1 {
				p.close()
				return
			}
			p.comply(r)
		}}
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1")
		if s.Stats().Epoch != 2 {
			t.Errorf("epoch %d", s.Stats().Epoch)
		}
	})
}

func TestVerifySubscriptions(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	s := dial(t, scripted(f))
	subscribe(t, s, session.SubscribeConfig{}, "book.A.100ms", "book.A.raw", "ticker.A.100ms", "trades.A.raw", "user.lock", "user.orders.any")
	var asked []string
	confirm := func(p *peer, r request) {
		asked = append(asked, channelsOf(r)...)
		p.answer(r, slices.DeleteFunc(channelsOf(r), func(n string) bool { return n == "user.lock" }))
	}
	f.script = script{"public/subscribe": confirm, "private/subscribe": confirm}
	statuses, err := s.VerifySubscriptions(t.Context())
	if err != nil || len(statuses) != 6 {
		t.Fatalf("%v, %v", statuses, err)
	}
	slices.Sort(asked)
	if !slices.Equal(asked, []string{"book.A.raw", "trades.A.raw", "user.lock", "user.orders.any"}) {
		t.Errorf("asked about %q", asked)
	}
	for _, status := range statuses {
		want := strings.HasSuffix(status.Channel, ".raw") || status.Channel == "user.orders.any"
		if status.Confirmed != want || !want && status.Note == "" {
			t.Errorf("%+v", status)
		}
	}
}

// TestUnsubscribe is what a Close of a subscription returns: what the exchange answered, that it did not over a connection that lives,
// nothing if it cannot be asked, and ctx's error where that ends first.
// Asks: go-deribit#22.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script script
		before func(f *far)
		ctx    time.Duration
		want   func(error) bool
	}{
		"refused":      {script{"public/unsubscribe": refusing(11050, "bad_request")}, nil, time.Hour, isA[*rpc.Error]},
		"unanswered":   {script{"public/unsubscribe": silent}, nil, time.Second, isDeadline},
		"no answer":    {script{"public/unsubscribe": silent}, nil, time.Hour, isA[*rpc.CallError]},
		"connection":   {script{"public/unsubscribe": func(p *peer, _ request) { p.close() }}, nil, time.Hour, nothing},
		"no transport": {nil, func(f *far) { f.last().close() }, time.Hour, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, c.script)
				cfg := scripted(f)
				cfg.NewBackoff = func() session.Backoffer { return constantly(time.Minute) }
				s := dial(t, cfg)
				sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
				if c.before != nil {
					c.before(f)
					synctest.Wait()
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
				defer cancel()
				start := time.Now()
				if err := sub.Close(ctx); !c.want(err) || time.Since(start) > c.ctx {
					t.Errorf("Close = %v after %v", err, time.Since(start))
				}
				if !errors.Is(sub.Err(), session.ErrUnsubscribed) || s.Stats().Channels != 0 {
					t.Errorf("ended with %v, %d channels left", sub.Err(), s.Stats().Channels)
				}
			})
		})
	}
}

func nothing(err error) bool { return err == nil }

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// TestSubscribesTakeTurns has a Subscribe wait for another that the exchange lets hang, for no longer than its ctx.
func TestSubscribesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": silent})
		s := dial(t, scripted(f))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A"); !isA[*rpc.CallError](err) {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.B"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the second: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		synctest.Wait()
		if n := s.Stats().Channels; n != 0 {
			t.Errorf("%d channels are still desired", n)
		}
	})
}
