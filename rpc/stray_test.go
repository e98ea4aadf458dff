package rpc_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// strays records what a Conn reports.
type strays struct {
	mu  sync.Mutex // protects the fields below
	all []rpc.Stray
}

func (s *strays) add(stray rpc.Stray) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, stray)
}

// take returns what came since the last take, without the errors.
func (s *strays) take() []rpc.Stray {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// abandon makes a call whose caller leaves after it was sent, and returns its id.
func abandon(tb testing.TB, c *rpc.Conn, method string) uint64 {
	tb.Helper()
	pending, err := c.Send(tb.Context(), method, nil)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	if err := pending.Wait(ctx, nil); err == nil || rpc.SafeToRetry(err) {
		tb.Fatalf("Wait = %v; want unknown", err)
	}
	return pending.ID()
}

// Asks: coder/websocket#289, coder/websocket#474, wsrpc#19.
func TestStrays(t *testing.T) {
	t.Parallel()
	p, got := newPeer(), &strays{}
	c := newConn(t, p, rpc.Config{Handler: p.handle, OnStray: got.add})

	won := abandon(t, c, "private/buy")
	lost := abandon(t, c, "private/sell")
	answered, err := c.Send(t.Context(), "public/test", nil)
	if err != nil {
		t.Fatal(err)
	}

	p.answer(won, `{"order_id":"1"}`)
	p.refuse(lost, 10009, "not_enough_funds")
	p.answer(answered.ID(), "1")
	p.answer(answered.ID(), "2")
	p.refuse(won, 10009, "not_enough_funds")
	p.answer(1<<52, "1")
	p.send(`{"id":"abc","result":1}`)
	p.send(`{"error":{"code":11051,"message":"system_maintenance"}}`)
	p.barrier()

	all := got.take()
	var kinds []rpc.StrayKind
	for _, s := range all {
		kinds = append(kinds, s.Kind)
	}
	want := []rpc.StrayKind{
		rpc.StrayLate, rpc.StrayLate, rpc.StrayDuplicate, rpc.StrayDuplicate, rpc.StrayUnknownID, rpc.StrayUnknownID, rpc.StrayError,
	}
	if !slices.Equal(kinds, want) {
		t.Fatalf("kinds = %v; want %v", kinds, want)
	}
	if s := all[0]; s != (rpc.Stray{Kind: rpc.StrayLate, ID: won, Method: "private/buy"}) {
		t.Errorf("late success = %+v", s)
	}
	if s := all[1]; s.ID != lost || s.Method != "private/sell" || s.Err == nil || s.Err.Code != 10009 {
		t.Errorf("late refusal = %+v", s)
	}
	if s := all[3]; s.ID != won || s.Err == nil {
		t.Errorf("second answer to a late call = %+v", s)
	}
	if s := all[6]; s.Err == nil || s.Err.Code != 11051 || s.Err.Message != "system_maintenance" {
		t.Errorf("error without id = %+v", s)
	}
	if s := c.Stats().Strays; s != [...]uint64{2, 2, 2, 1, 0} {
		t.Errorf("Stats.Strays = %v", s)
	}
	var result int
	if err := answered.Wait(t.Context(), &result); err != nil || result != 1 {
		t.Errorf("the answered call got %d, %v; want the first answer", result, err)
	}
}

// TestAnswerAfterTheEnd reads an answer that had come before a write failed: its call has ended as unknown by then.
func TestAnswerAfterTheEnd(t *testing.T) {
	t.Parallel()
	p, got := newPeer(), &strays{}
	p.onWrite = func(msgs [][]byte) error {
		if parseRequest(msgs[0]).Method == "public/test" {
			return errPeerGone
		}
		return nil
	}
	c := newConn(t, p, rpc.Config{Handler: p.handle, OnStray: got.add})
	sent, err := c.Send(t.Context(), "private/buy", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.send(`{"method":"barrier"}`) // the reader stays there
	p.answer(sent.ID(), "1")
	if err := c.Call(t.Context(), "public/test", nil, nil); !errors.Is(err, errPeerGone) {
		t.Fatalf("Call = %v; want the write's error", err)
	}
	<-p.passed
	if err := sent.Wait(t.Context(), nil); err == nil || rpc.SafeToRetry(err) {
		t.Errorf("Wait = %v; want unknown", err)
	}
	c.Close()
	want := []rpc.Stray{{Kind: rpc.StrayLate, ID: sent.ID(), Method: "private/buy"}}
	if all := got.take(); !slices.Equal(all, want) {
		t.Errorf("strays = %+v; want %+v", all, want)
	}
}

// TestAnswerToAFrameThatWaits answers a request that has not been sent.
func TestAnswerToAFrameThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{Handler: p.handle})
		callAsync(t.Context(), c, "private/sell", nil)
		waiting := callAsync(t.Context(), c, "private/buy", nil)
		guessed := (<-p.held)[0].ID + 1
		p.answer(guessed, "1")
		p.barrier()
		if s := c.Stats(); s.Strays[rpc.StrayUnknownID] != 1 || s.Pending != 2 {
			t.Errorf("strays %v, %d pending; want an unknown id", s.Strays, s.Pending)
		}
		p.proceed <- struct{}{}
		if batch := <-p.held; batch[0].ID != guessed {
			t.Fatalf("id %d; want %d", batch[0].ID, guessed)
		}
		p.refuse(guessed, 10009, "not_enough_funds")
		if _, refused := errors.AsType[*rpc.Error](<-waiting); !refused {
			t.Error("the call did not get its own answer")
		}
	})
}

func TestNotificationWithoutHandlerIsStray(t *testing.T) {
	t.Parallel()
	got := make(chan rpc.Stray, 1)
	p := newPeer()
	newConn(t, p, rpc.Config{OnStray: func(s rpc.Stray) { got <- s }})
	p.send(`{"method":"heartbeat","params":{"type":"test_request"}}`)
	if s := <-got; s != (rpc.Stray{Kind: rpc.StrayNotification, Method: "heartbeat"}) {
		t.Errorf("stray = %+v", s)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	var got []string
	done := make(chan struct{})
	p := newPeer()
	c := newConn(t, p, rpc.Config{Handler: func(n rpc.Notification) {
		if got = append(got, string(n.Method)+string(n.Params)); len(got) == 3 {
			close(done)
		}
	}})
	p.send(`{"method":"a","params":{"n":1}}`)
	p.send(`{"params":[2],"method":"b"}`)
	p.send(`{"method":"c"}`)
	<-done
	if want := []string{`a{"n":1}`, `b[2]`, `c`}; !slices.Equal(got, want) {
		t.Errorf("notifications = %q; want %q", got, want)
	}
	if s := c.Stats(); s.Notifications != 3 || s.Received != 3 || s.BytesIn != 31+27+14 {
		t.Errorf("Stats = %+v", s)
	}
}

// TestI12Bounded abandons more calls than there are tombstones, and answers more than are remembered.
func TestI12Bounded(t *testing.T) {
	t.Parallel()
	p := newPeer()
	c := newConn(t, p, rpc.Config{Handler: p.handle, MaxPending: 8})
	drain := func() { <-p.requests }

	var ids []uint64
	for range rpc.MaxTombstones + 10 {
		ids = append(ids, abandon(t, c, "private/buy"))
		drain()
	}
	for _, id := range ids {
		p.answer(id, "1")
	}
	p.barrier()
	if s := c.Stats().Strays; s[rpc.StrayUnknownID] != 10 || s[rpc.StrayLate] != rpc.MaxTombstones {
		t.Errorf("strays = %v; want the oldest 10 forgotten", s)
	}

	p.answer(ids[len(ids)-rpc.MaxRecent], "1")
	p.answer(ids[len(ids)-rpc.MaxRecent-1], "1")
	p.barrier()
	if s := c.Stats().Strays; s[rpc.StrayDuplicate] != 1 || s[rpc.StrayUnknownID] != 11 {
		t.Errorf("strays = %v; want the last %d answers remembered", s, rpc.MaxRecent)
	}

	var pending []*rpc.Pending
	for range 8 {
		one, err := c.Send(t.Context(), "public/test", nil)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, one)
	}
	if err := c.Call(t.Context(), "public/test", nil, nil); !rpc.SafeToRetry(err) {
		t.Errorf("ninth call: %v; want too many pending", err)
	}
	p.answer(pending[0].ID(), "1")
	if err := pending[0].Wait(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if one, err := c.Send(t.Context(), "public/test", nil); err != nil || c.Stats().Pending != 8 {
		t.Errorf("Send = %v, %v with %d pending", one, err, c.Stats().Pending)
	}
}

// TestUnaskedAnswersEndTheConnection: a hundred a minute may be a mistake, and answers to what was asked and left do not count.
func TestUnaskedAnswersEndTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		c := newConn(t, p, rpc.Config{Handler: p.handle})
		left := abandon(t, c, "private/buy")
		for range rpc.MaxUnasked { // in turns, as an exchange might that sends everything twice or thrice
			p.answer(left, "1")
		}
		for range 3 {
			for i := range rpc.MaxUnasked {
				p.answer(1<<52+uint64(i), "1")
			}
			p.barrier()
			if err := c.Err(); err != nil {
				t.Fatalf("the connection ended with %v", err)
			}
			<-time.After(time.Minute + time.Second)
		}
		for range rpc.MaxUnasked {
			p.send(`{"id":"another form","result":1}`)
		}
		p.barrier()
		p.answer(1<<52, "1")
		<-c.Done()
		if !errors.Is(c.Err(), rpc.ErrMalformed) {
			t.Errorf("the connection ended with %v", c.Err())
		}
		if s := c.Stats().Strays; s[rpc.StrayUnknownID] != 4*rpc.MaxUnasked+1 || s[rpc.StrayLate] != 1 {
			t.Errorf("strays %v", s)
		}
	})
}
