package session_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestI1OneOutcome has callers call by each way an exchange that answers, refuses, keeps silent, revokes and hangs up:
// every call ends, with one of the three outcomes, and the observer is told of each end once.
func TestI1OneOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		f.script["public/answered"] = func(p *peer, r request) { p.answer(r, 1) }
		f.script["public/twice"] = func(p *peer, r request) {
			p.answer(r, 1)
			p.answer(r, 2)
		}
		f.script["public/refused"] = refusing(10009, "not_enough_funds")
		f.script["public/silent"] = silent
		f.script["private/revokes"] = func(p *peer, r request) {
			l.revoke()
			p.answer(r, 1)
		}
		f.script["public/hangs_up"] = func(p *peer, _ request) { p.close() }
		watch := &callWatcher{parents: map[string]string{}}
		cfg := scripted(f)
		cfg.Observer = watch
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		methods := []string{"public/answered", "public/twice", "public/refused", "public/silent", "private/revokes", "private/buy", "private/buy", "public/hangs_up"}
		var wg sync.WaitGroup
		for caller := range 64 {
			wg.Go(func() {
				for i := range 25 {
					oneOutcome(t, s, methods[(caller*7+i*3)%len(methods)], fmt.Sprintf("%d-%d", caller, i))
				}
			})
		}
		wg.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if starts, ends := watch.starts.Load(), watch.ends.Load(); starts < 1600 || starts != ends {
			t.Errorf("%d calls started, %d ended", starts, ends)
		}
		l.wantOnce(t, len(l.orders()))
	})
}

func oneOutcome(t *testing.T, s *session.Session, method, label string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = s.WaitReady(ctx) // some calls may meet no connection all the same
	err := s.Call(ctx, method, labelled(label), nil)
	refusal, isRefusal := errors.AsType[*rpc.Error](err)
	unanswered, isUnanswered := errors.AsType[*rpc.CallError](err)
	switch {
	case err == nil && method != "public/refused" && method != "public/silent" && method != "public/hangs_up":
	case isRefusal && !isUnanswered && method == "public/refused" && refusal.Code == 10009:
	case isRefusal && !isUnanswered && method == "private/buy" && refusal.Code == session.CodeUnauthorized && rpc.SafeToRetry(err):
	case isUnanswered && !isRefusal && rpc.SafeToRetry(err) == (unanswered.Outcome == rpc.NotSent):
	default:
		t.Errorf("%s: %v is not one outcome", method, err)
	}
}

// TestI5ReaderNeverWaits floods a subscriber that never reads: neither a call, nor a heartbeat's answer, nor another
// subscriber waits for it.
// Asks: dcrdex#3501, BitMEX/api-connectors#449, solana-py#703.
func TestI5ReaderNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const flood = 20_000
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		stuck := subscribe(t, s, session.SubscribeConfig{Buffer: 4}, "ticker.A")
		failed := subscribe(t, s, session.SubscribeConfig{Buffer: 4, Policy: session.Fail}, "ticker.A")
		reading := subscribe(t, s, session.SubscribeConfig{Buffer: flood}, "ticker.A")
		start := time.Now()
		for i := range flood {
			f.last().notify("ticker.A", strconv.Itoa(i))
		}
		f.last().testRequest()
		if err := s.Call(t.Context(), "public/hello", nil, nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if took := time.Since(start); took != 0 || f.count("public/test") != 1 {
			t.Errorf("the call waited %v, %d heartbeats answered", took, f.count("public/test"))
		}
		if got := waiting(t, reading); len(got) != flood || got[0] != "0" || got[flood-1] != strconv.Itoa(flood-1) {
			t.Errorf("the other subscriber has %d notifications of %d", len(got), flood)
		}
		wantEntries(t, waiting(t, stuck), fmt.Sprintf("overflow/%d 19996 19997 19998 19999", flood-4))
		wantEntries(t, waiting(t, failed), "0 1 2 3 overflow/1")
	})
}

// TestI5BlockedStreamConsumerStopsNobody takes from a stream and stays with what it took.
func TestI5BlockedStreamConsumerStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for n, err := range sub.Notifications(t.Context()) {
				<-release
				if err != nil || string(n.Data) != `"held"` {
					t.Errorf("what was held is now %q, %v", n.Data, err)
				}
				return
			}
		})
		f.last().notify("ticker.A", `"held"`)
		synctest.Wait()
		for range 3000 {
			f.last().notify("ticker.A", `"over"`)
		}
		if err := s.Reconnect(t.Context()); err != nil {
			t.Error(err)
		}
		close(release)
		wg.Wait()
	})
}

// TestI12Bounded is what a session refuses rather than hold: calls beyond MaxPending, and frames beyond what the exchange
// takes. Nothing of either leaves.
func TestI12Bounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/hello": silent})
		cfg := scripted(f)
		cfg.MaxPending = 10
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var pending []*session.Pending
		for range 15 {
			p, err := s.Send(t.Context(), "public/hello", nil)
			if err != nil && (!errors.Is(err, rpc.ErrTooManyPending) || !rpc.SafeToRetry(err)) {
				t.Errorf("%v, want ErrTooManyPending, not sent", err)
			}
			if err == nil {
				pending = append(pending, p)
			}
		}
		if len(pending) != 10 {
			t.Errorf("%d calls are pending, want 10", len(pending))
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, p := range pending {
			if err := p.Wait(t.Context(), nil); !isA[*rpc.CallError](err) {
				t.Errorf("a pending call ended with %v", err)
			}
		}
	})
	f := newFar(t, nil)
	s := dial(t, scripted(f))
	err := s.Call(t.Context(), "public/hello", labelled(strings.Repeat("x", session.MaxFrame)), nil)
	if !errors.Is(err, rpc.ErrMessageTooBig) || !rpc.SafeToRetry(err) || f.count("public/hello") != 0 {
		t.Errorf("%v, want ErrMessageTooBig, not sent", err)
	}
}

// TestClockSkewIsNamed is a refused signature on a machine whose clock is off: the key is not to blame.
func TestClockSkewIsNamed(t *testing.T) {
	t.Parallel()
	for skew, named := range map[time.Duration]string{5 * time.Minute: "5m0s ahead of", -5 * time.Minute: "5m0s behind"} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{
					"public/auth":     refusing(13004, "invalid_credentials"),
					"public/get_time": func(p *peer, r request) { p.answer(r, time.Now().Add(-skew).UnixMilli()) },
				})
				s, err := session.Dial(t.Context(), scripted(f))
				if err == nil {
					closeAtEnd(t, s)
				}
				skewed, ok := errors.AsType[*session.ClockSkewError](err)
				if !ok || skewed.Skew != skew || !strings.Contains(err.Error(), named) || !strings.Contains(err.Error(), "set the clock") {
					t.Errorf("%v, want a ClockSkewError", err)
				}
			})
		})
	}
}
