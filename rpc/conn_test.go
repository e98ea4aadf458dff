package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

func TestManyCallersShareAConn(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{})
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for n := range 100 {
				want := [2]int{caller, n}
				got, err := rpc.Call[[2]int](t.Context(), c, "public/echo", want)
				if err != nil || got != want {
					t.Errorf("Call = %v, %v; want %v", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Sent != 3200 || s.Received != 3200 || s.Pending != 0 || s.Writes == 0 || s.Writes > s.Sent {
		t.Errorf("Stats = %+v; want 3200 sent and received, none pending", s)
	}
}

func TestAnswersOutOfOrder(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{})
	var pending []*rpc.Pending
	for range 20 {
		one, err := c.Send(t.Context(), "public/test", nil)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, one)
	}
	for _, n := range rand.Perm(len(pending)) {
		p.answer(pending[n].ID(), strconv.Itoa(n))
	}
	for n, one := range pending {
		dst, err := one.WaitRaw(t.Context(), []byte("n="))
		if want := fmt.Sprintf("n=%d", n); err != nil || string(dst) != want {
			t.Errorf("WaitRaw = %s, %v; want %s", dst, err, want)
		}
	}
}

func TestErrorObject(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{Classify: func(code rpc.Code) rpc.Verdict {
		return rpc.Verdict{Class: rpc.ClassRetry, NotExecuted: code == 10040}
	}})
	for _, code := range []int{10040, 10041} {
		pending, err := c.Send(t.Context(), "private/buy", nil)
		if err != nil {
			t.Fatal(err)
		}
		p.refuse(pending.ID(), code, "retry")
		dst, err := pending.WaitRaw(t.Context(), []byte("kept"))
		refusal, ok := errors.AsType[*rpc.Error](err)
		if !ok || refusal.Code != rpc.Code(code) || refusal.Message != "retry" || string(refusal.Data) != `{"reason":"why"}` {
			t.Fatalf("WaitRaw = %#v; want the error object", err)
		}
		if string(dst) != "kept" || refusal.Class() != rpc.ClassRetry || rpc.SafeToRetry(err) != (code == 10040) {
			t.Errorf("dst %q, class %s, safe %t", dst, refusal.Class(), rpc.SafeToRetry(err))
		}
	}
}

// TestDataIsPrivate keeps an error object beyond the frame that it came with.
func TestDataIsPrivate(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{Handler: p.handle})
	pending, err := c.Send(t.Context(), "private/buy", nil)
	if err != nil {
		t.Fatal(err)
	}
	frame := fmt.Appendf(nil, `{"id":%d,"error":{"code":1,"message":"m","data":"kept"}}`, pending.ID())
	p.incoming <- frame
	p.barrier()
	clear(frame)
	err = pending.Wait(t.Context(), nil)
	if refusal, ok := errors.AsType[*rpc.Error](err); !ok || string(refusal.Data) != `"kept"` || refusal.Message != "m" {
		t.Errorf("Wait = %#v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := rpc.NewConn(p, rpc.Config{})
	if c.Err() != nil {
		t.Errorf("Err = %v while open", c.Err())
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	}
	wg.Wait()
	if <-c.Done(); !errors.Is(c.Err(), rpc.ErrClosed) {
		t.Errorf("Err = %v; want ErrClosed", c.Err())
	}
}

// TestCloseWithError: calls and the connection end for the reason that was given.
func TestCloseWithError(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{errors.New("nobody answers"), nil} {
		want := reason
		if reason == nil {
			want = rpc.ErrClosed
		}
		p := newPeer()
		c := newConn(t, p, rpc.Config{})
		pending, err := c.Send(t.Context(), "private/buy", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWithError(reason); err != nil || !errors.Is(c.Err(), want) {
			t.Errorf("CloseWithError(%v) = %v, Err = %v", reason, err, c.Err())
		}
		if err := pending.Wait(t.Context(), nil); !errors.Is(err, want) || reason != nil && errors.Is(err, rpc.ErrClosed) {
			t.Errorf("a call ended with %v, want %v", err, want)
		}
		if err := c.CloseWithError(errPeerGone); err != nil || !errors.Is(c.Err(), want) {
			t.Errorf("a second one = %v, and Err is %v, want the first reason", err, c.Err())
		}
	}
}

// TestCloseKeepsTheFirstReason closes a connection that was lost.
func TestCloseKeepsTheFirstReason(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{})
	p.lost <- errPeerGone
	<-c.Done()
	if err := c.Close(); err != nil || !errors.Is(c.Err(), errPeerGone) {
		t.Errorf("Close = %v, Err = %v; want the loss", err, c.Err())
	}
}

func TestWaitingTwicePanics(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	c := newConn(t, p, rpc.Config{})
	pending, err := c.Send(t.Context(), "public/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pending.Wait(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("the second Wait did not panic")
		}
	}()
	_ = pending.Wait(t.Context(), nil)
}

// TestI5ReaderNeverWaits leaves answers lying about and blocks a caller's goroutine in its Observer.
func TestI5ReaderNeverWaits(t *testing.T) {
	t.Parallel()
	p := newPeer()
	p.echo()
	o := &observer{block: "public/slow", release: make(chan struct{})}
	c := newConn(t, p, rpc.Config{Observer: o})
	for range 100 {
		if _, err := c.Send(t.Context(), "public/forgotten", nil); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Call(t.Context(), "public/slow", nil, nil); err != nil {
			t.Error(err)
		}
	})
	for range 100 {
		if err := c.Call(t.Context(), "public/quick", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(o.release)
	wg.Wait()
}

func TestR5IDsAreNeverReused(t *testing.T) {
	t.Parallel()
	taken := make([][]uint64, 4)
	var wg sync.WaitGroup
	for n := range taken {
		wg.Go(func() {
			var ids rpc.IDs
			for range rpc.IDBlock + 10 {
				taken[n] = append(taken[n], ids.Take())
			}
		})
	}
	wg.Wait()
	seen := make(map[uint64]bool, len(taken)*(rpc.IDBlock+10))
	for _, ids := range taken {
		for _, id := range ids {
			if id == 0 || id >= 1<<53 || seen[id] {
				t.Fatalf("id %d is 0, too great, or used twice", id)
			}
			seen[id] = true
		}
	}
}

// TestLocksAreLeaves has everything that a Conn calls ask it something that takes its lock.
func TestLocksAreLeaves(t *testing.T) {
	t.Parallel()
	p := newPeer()
	var c *rpc.Conn
	open := make(chan struct{}) // c is there
	ask := func() {
		<-open
		if s := c.Stats(); c.Err() != nil || s.Pending > 1 {
			t.Errorf("Err %v, Stats %+v", c.Err(), s)
		}
	}
	p.onWrite = func(msgs [][]byte) error {
		ask()
		p.refuse(parseRequest(msgs[0]).ID, 1, "m")
		return nil
	}
	c = newConn(t, p, rpc.Config{
		Handler:   func(n rpc.Notification) { ask(); p.handle(n) },
		Observer:  asking(ask),
		OnStray:   func(rpc.Stray) { ask() },
		Codec:     rpc.Codec{Marshal: func(any) ([]byte, error) { ask(); return []byte("{}"), nil }},
		Lane:      func(string) rpc.Lane { ask(); return rpc.LaneOrder },
		Classify:  func(rpc.Code) rpc.Verdict { ask(); return rpc.Verdict{} },
		Sensitive: func(string) bool { ask(); return true },
	})
	close(open)
	if _, refused := errors.AsType[*rpc.Error](c.Call(t.Context(), "public/test", "params", nil)); !refused {
		t.Error("the call was not refused")
	}
	p.refuse(1<<52, 1, "stray")
	p.barrier()
}

// asking is an Observer that asks whenever it is told something.
type asking func()

func (ask asking) CallStart(ctx context.Context, _ rpc.CallInfo) context.Context { ask(); return ctx }
func (ask asking) CallEnd(context.Context, rpc.CallInfo, rpc.CallEnd)            { ask() }
func (ask asking) Stray(rpc.Stray)                                               { ask() }

// TestR7NeverSentTwice cuts the connection under many callers, of whom some leave, and compares what they were told with
// what arrived.
func TestR7NeverSentTwice(t *testing.T) {
	t.Parallel()
	for range 20 {
		var mu sync.Mutex // protects arrived and unsent
		arrived, unsent := map[string]int{}, []string{}
		cut := rand.IntN(200)
		p := newPeer()
		p.onWrite = func(msgs [][]byte) error {
			mu.Lock()
			defer mu.Unlock()
			for _, msg := range msgs {
				r := parseRequest(msg)
				if arrived[string(r.Params)]++; len(arrived) == cut {
					p.lost <- errPeerGone
					return errPeerGone
				}
				p.answer(r.ID, string(r.Params))
			}
			return nil
		}
		c := rpc.NewConn(p, rpc.Config{})
		var wg sync.WaitGroup
		for caller := range 16 {
			wg.Go(func() {
				for n := range 20 {
					label := fmt.Sprintf("[%d,%d]", caller, n)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Microsecond)
					err := c.Call(ctx, "private/buy", []int{caller, n}, nil)
					cancel()
					mu.Lock()
					times := arrived[label]
					if rpc.SafeToRetry(err) {
						unsent = append(unsent, label)
					}
					mu.Unlock()
					if times > 1 || err == nil && times != 1 || rpc.SafeToRetry(err) && times != 0 {
						t.Errorf("%s arrived %d times; its caller was told %v", label, times, err)
					}
				}
			})
		}
		wg.Wait()
		if s := c.Stats(); s.Pending != 0 {
			t.Errorf("%d calls are left", s.Pending)
		}
		c.Close()
		for _, label := range unsent {
			if arrived[label] != 0 {
				t.Errorf("%s arrived after its caller was told that it was not sent", label)
			}
		}
	}
}
