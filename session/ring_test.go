package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/session"
)

// drain takes what the ring holds now: notifications as their data, markers as "reason/missed", other errors as text.
func drain(t *testing.T, r *session.Ring) []string {
	t.Helper()
	var got []string
	for {
		n, err, ok := r.TakeNow()
		switch {
		case !ok && err == nil:
			return got
		case !ok:
			return append(got, "end: "+err.Error())
		default:
			got = append(got, describe(n, err))
		}
	}
}

func describe(n session.Notification, err error) string {
	if gap, ok := errors.AsType[*session.GapError](err); ok {
		return fmt.Sprintf("%s/%d", gap.Reason, gap.Missed)
	}
	if err != nil {
		return err.Error()
	}
	return string(n.Data)
}

func wantEntries(t *testing.T, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("stream = %q, want %q", strings.Join(got, " "), want)
	}
}

func TestRingKeepsOrder(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 3, 1000)
	a, b := r.Channel("a"), r.Channel("b")
	for i := range 4 { // around the end of the buffer
		a.Push(uint64(i), fmt.Appendf(nil, "a%d", i))
		b.Push(uint64(i), fmt.Appendf(nil, "b%d", i))
		n, err, ok := r.Take(t.Context())
		if !ok || err != nil || n.Channel != "a" || n.Epoch != uint64(i) || string(n.Data) != fmt.Sprintf("a%d", i) {
			t.Errorf("first = %+v, %v, %t", n, err, ok)
		}
		if n, err, ok = r.Take(t.Context()); !ok || err != nil || n.Channel != "b" {
			t.Errorf("second = %+v, %v, %t", n, err, ok)
		}
	}
}

func TestRingDropsOldestWithOneMarkerInPlace(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 3, 1000)
	c := r.Channel("c")
	for i := range 8 {
		c.Push(1, fmt.Appendf(nil, "%d", i))
	}
	wantEntries(t, drain(t, r), "overflow/5 5 6 7")
	c.Push(1, []byte("8"))
	wantEntries(t, drain(t, r), "8")
	if _, _, dropped := r.Held(); dropped != 5 {
		t.Errorf("dropped = %d, want 5", dropped)
	}
}

func TestRingMergesMarkers(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 3, 1000)
	c := r.Channel("c")
	gap := &session.GapError{Reason: session.GapReconnect, Epoch: 1}
	c.Push(1, []byte("0"))
	r.Gap(gap)
	for i := 1; i < 6; i++ {
		c.Push(2, fmt.Appendf(nil, "%d", i))
	}
	// 0, the gap, 1 and 2 are gone: one marker tells of the graver loss and counts them.
	wantEntries(t, drain(t, r), "reconnect/3 3 4 5")
	if gap.Missed != 0 {
		t.Error("a marker that other subscriptions share was changed")
	}
}

// TestRingMergesMarkersSideBySide: two of the same connection and channels, with nothing between, are one. Others stay apart.
func TestRingMergesMarkersSideBySide(t *testing.T) {
	t.Parallel()
	gap := func(reason session.GapReason, epoch uint64, channel string) *session.GapError {
		return &session.GapError{Reason: reason, Epoch: epoch, Channel: channel}
	}
	for name, c := range map[string]struct {
		gaps []*session.GapError
		want string
	}{
		"resumed, then lost":    {[]*session.GapError{gap(session.GapResumed, 1, ""), gap(session.GapReconnect, 1, "")}, "0 reconnect/0 1"},
		"lost, then resumed":    {[]*session.GapError{gap(session.GapReconnect, 1, ""), gap(session.GapResumed, 1, "")}, "0 reconnect/0 1"},
		"of two connections":    {[]*session.GapError{gap(session.GapReconnect, 1, ""), gap(session.GapReconnect, 2, "")}, "0 reconnect/0 reconnect/0 1"},
		"of a book, and of all": {[]*session.GapError{gap(session.GapSequence, 1, "c"), gap(session.GapReconnect, 1, "")}, "0 sequence/0 reconnect/0 1"},
	} {
		r := session.NewRing(session.DropOldest, 9, 1000)
		r.Channel("c").Push(1, []byte("0"))
		for _, g := range c.gaps {
			r.Gap(g)
		}
		r.Channel("c").Push(2, []byte("1"))
		if got := strings.Join(drain(t, r), " "); got != c.want {
			t.Errorf("%s: stream = %q, want %q", name, got, c.want)
		}
	}
}

func TestRingFailEndsAfterWhatIsBuffered(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.Fail, 2, 1000)
	c := r.Channel("c")
	for i := range 5 {
		c.Push(1, fmt.Appendf(nil, "%d", i))
	}
	got := drain(t, r)
	if len(got) != 3 || got[0] != "0" || got[1] != "1" || !strings.Contains(got[2], "overflow") {
		t.Errorf("stream = %q, want 0, 1 and the end by overflow", got)
	}
	if again := drain(t, r); len(again) != 1 {
		t.Errorf("after the end: %q, want the end again", again)
	}
}

func TestRingIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 100, 10)
	c := r.Channel("c")
	for range 5 {
		c.Push(1, []byte("four"))
		if _, bytes, _ := r.Held(); bytes > 10 {
			t.Fatalf("the ring holds %d bytes of 10", bytes)
		}
	}
	wantEntries(t, drain(t, r), "overflow/3 four four")
	c.Push(1, []byte("longer than all"))
	wantEntries(t, drain(t, r), "longer than all") // one always fits: a frame's size is bounded elsewhere
	if entries, bytes, _ := r.Held(); entries != 0 || bytes != 0 {
		t.Errorf("the drained ring holds %d entries of %d bytes", entries, bytes)
	}
}

func TestRingNoticesComeFirstAndAreNeverDropped(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 1, 1000)
	c := r.Channel("c")
	r.Notice(io.ErrNoProgress)
	for i := range 3 {
		c.Push(1, fmt.Appendf(nil, "%d", i))
	}
	r.Notice(io.ErrShortWrite)
	wantEntries(t, drain(t, r), io.ErrNoProgress.Error()+" "+io.ErrShortWrite.Error()+" overflow/2 2")
}

func TestRingCloseEndsAfterWhatIsBuffered(t *testing.T) {
	t.Parallel()
	r := session.NewRing(session.DropOldest, 4, 1000)
	c := r.Channel("c")
	c.Push(1, []byte("0"))
	r.Close(io.EOF)
	c.Push(1, []byte("1"))
	r.Gap(&session.GapError{Reason: session.GapReconnect})
	r.Close(io.ErrClosedPipe) // the first reason stands
	wantEntries(t, drain(t, r), "0 end: EOF")
}

func TestRingTakeWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := session.NewRing(session.DropOldest, 4, 1000)
		c := r.Channel("c")
		var wg sync.WaitGroup
		got := make(chan string, 1)
		wg.Go(func() {
			n, err, _ := r.Take(t.Context())
			got <- describe(n, err)
		})
		synctest.Wait()
		select {
		case early := <-got:
			t.Errorf("took %q from an empty ring", early)
		default:
		}
		c.Push(1, []byte("late"))
		wg.Wait()
		if taken := <-got; taken != "late" {
			t.Errorf("took %q", taken)
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.ErrNoProgress)
		if _, err, ok := r.Take(ctx); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("Take = %v, %t, want ctx's error", err, ok)
		}
		c.Push(1, []byte("again"))
		wantEntries(t, drain(t, r), "again")
	})
}

func TestRingReusesItsMemory(t *testing.T) {
	r := session.NewRing(session.DropOldest, 8, 1<<20)
	c, data, ctx := r.Channel("c"), make([]byte, 300), t.Context()
	cycle := func() {
		for range 6 {
			c.Push(1, data)
		}
		for range 6 {
			r.Take(ctx)
		}
	}
	for range 10 {
		cycle()
	}
	if allocs := testing.AllocsPerRun(100, cycle); allocs != 0 {
		t.Errorf("%v allocations per cycle, want 0", allocs)
	}
}
