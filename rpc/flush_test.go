package rpc_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// spilling is a peer that keeps each batch, until it is flushed.
type spilling struct {
	*peer
	try     time.Duration // that TryWriteMessages takes
	flushed chan error    // what Flush returns
	flushes int           // read it when nothing runs
}

func newSpilling() *spilling { return &spilling{peer: newPeer(), flushed: make(chan error)} }

// TryWriteMessages implements rpc.Flusher.
func (s *spilling) TryWriteMessages(msgs ...[]byte) (left bool, err error) {
	if s.try > 0 {
		<-time.After(s.try)
	}
	if err := s.WriteMessages(msgs...); err != nil {
		return false, err
	}
	return true, nil
}

// Flush implements rpc.Flusher.
func (s *spilling) Flush() error {
	s.flushes++
	select {
	case err := <-s.flushed:
		return err
	case <-s.closed:
		return errPeerGone
	}
}

var _ rpc.Flusher = (*spilling)(nil)

// wantOutcome checks how a call ended that was not answered.
func wantOutcome(t *testing.T, err error, want rpc.Outcome, why error) {
	t.Helper()
	if ce, ok := errors.AsType[*rpc.CallError](err); !ok || ce.Outcome != want || !errors.Is(err, why) {
		t.Errorf("ended with %v; want %v, outcome %v", err, why, want)
	}
}

// TestFlushHoldsNoCaller: the caller whose write was left returns at its deadline as those behind it do, and the time to
// write and that to flush count together.
func TestFlushHoldsNoCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSpilling()
		p.try = 200 * time.Millisecond
		c := newConn(t, p, rpc.Config{WriteTimeout: 3 * time.Second})
		start := time.Now()
		writer := callAsync(second(t.Context()), c, "public/writer", nil)
		patient := callAsync(t.Context(), c, "public/patient", nil)
		hasty := callAsync(second(t.Context()), c, "public/hasty", nil)
		wantOutcome(t, <-writer, rpc.Unknown, context.DeadlineExceeded)
		wantOutcome(t, <-hasty, rpc.NotSent, context.DeadlineExceeded)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("held for %v; want the second that they had", waited)
		}
		wantOutcome(t, <-patient, rpc.NotSent, rpc.ErrWriteStalled)
		if waited := time.Since(start); waited != 3*time.Second || !errors.Is(c.Err(), rpc.ErrWriteStalled) {
			t.Errorf("connection ended with %v after %v", c.Err(), waited)
		}
	})
}

// TestSendReturnsWhenItsFrameIsLeft: the answer may come all the same.
func TestSendReturnsWhenItsFrameIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSpilling()
		c := newConn(t, p, rpc.Config{})
		pending, err := c.Send(t.Context(), "public/test", nil)
		if err != nil {
			t.Fatal(err)
		}
		p.answer((<-p.requests).ID, "1")
		if err := pending.Wait(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

// TestLanesLeaveInOrderAfterAFlush has frames wait behind what is flushed, among them some that yield.
func TestLanesLeaveInOrderAfterAFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSpilling()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		callAsync(t.Context(), c, "lane/3", nil)
		if got := (<-p.requests).Method; got != "lane/3" {
			t.Fatalf("first was %s", got)
		}
		for _, lane := range []string{"lane/4", "lane/3", "lane/2", "lane/1", "lane/0"} {
			callAsync(t.Context(), c, lane, nil)
		}
		synctest.Wait()
		if n := len(p.requests); n != 0 {
			t.Errorf("%d requests left behind what is being flushed", n)
		}
		p.flushed <- nil
		synctest.Wait()
		var got []string
		for len(p.requests) > 0 {
			got = append(got, (<-p.requests).Method)
		}
		if want := []string{"lane/0", "lane/1", "lane/2", "lane/3", "lane/4"}; !slices.Equal(got, want) {
			t.Errorf("requests left as %v; want %v", got, want)
		}
		p.flushed <- nil
		synctest.Wait()
		if s := c.Stats(); s.Writes != 2 || s.Sent != 6 || p.flushes != 2 {
			t.Errorf("%d writes, %d sent, %d flushes", s.Writes, s.Sent, p.flushes)
		}
	})
}

// TestCloseDuringAFlush: it returns at once, and with it all that wait.
func TestCloseDuringAFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSpilling()
		c := newConn(t, p, rpc.Config{})
		start := time.Now()
		writer := callAsync(t.Context(), c, "public/writer", nil)
		behind := callAsync(t.Context(), c, "public/behind", nil)
		if err := c.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("close: %v after %v", err, time.Since(start))
		}
		wantOutcome(t, <-writer, rpc.Unknown, rpc.ErrClosed)
		wantOutcome(t, <-behind, rpc.NotSent, rpc.ErrClosed)
	})
}

// TestFailedFlushEndsTheConnection and says why.
func TestFailedFlushEndsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, reason := newSpilling(), errors.New("reset by peer")
		c := newConn(t, p, rpc.Config{})
		writer := callAsync(t.Context(), c, "public/writer", nil)
		p.flushed <- reason
		wantOutcome(t, <-writer, rpc.Unknown, reason)
		<-c.Done()
		if !errors.Is(c.Err(), reason) {
			t.Errorf("connection ended with %v", c.Err())
		}
	})
}

// TestNothingIsFlushedAfterTheEnd has the connection end while a batch is tried: nobody would join a flush any more.
func TestNothingIsFlushedAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSpilling()
		c := newConn(t, p, rpc.Config{})
		p.onWrite = func([][]byte) error { // the connection ends, and the batch is kept all the same
			p.lost <- errPeerGone
			<-c.Done()
			return nil
		}
		wantOutcome(t, c.Call(t.Context(), "public/writer", nil, nil), rpc.Unknown, errPeerGone)
		synctest.Wait()
		if p.flushes != 0 {
			t.Errorf("%d flushes", p.flushes)
		}
	})
}
