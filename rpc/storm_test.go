package rpc_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestSendWaitsForWhoOvertakesIt has an urgent call take the writer's role from a Send that yields. Before it has written,
// Send must not return: what its caller sends next could leave first.
func TestSendWaitsForWhoOvertakesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		for range 3 { // so that others yield
			callAsync(t.Context(), c, "lane/3", nil)
			<-p.requests
		}
		for overtaken := false; !overtaken; {
			sent := make(chan *rpc.Pending, 1)
			go func() {
				pending, err := c.Send(t.Context(), "lane/3", nil)
				if err != nil {
					t.Error(err)
				}
				sent <- pending
			}()
			urgent, inTime, err := rpc.Overtake(t.Context(), c, "lane/1")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if overtaken = inTime; overtaken {
				if len(sent) > 0 {
					t.Error("Send returned before its frame was taken")
				}
				urgent.Write(t.Context())
			}
			got := []string{(<-p.requests).Method, (<-p.requests).Method}
			if overtaken && !slices.Equal(got, []string{"lane/1", "lane/3"}) {
				t.Errorf("requests left as %v", got)
			}
			<-sent
		}
	})
}

// TestNobodyYieldsWhileAnUrgentCallWaits: it came when a caller had been given the writer's role, and not taken it up yet.
func TestNobodyYieldsWhileAnUrgentCallWaits(t *testing.T) {
	t.Parallel()
	for range 200 {
		p := newPeer()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		heir, err := rpc.Gather(t.Context(), c, "lane/3")
		if err != nil {
			t.Fatal(err)
		}
		write, err := heir.Hurry(t.Context(), "lane/1")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(write)
		for len(p.requests) == 0 {
			if rpc.Gathers(c) {
				t.Fatal("the heir yields")
			}
		}
		wg.Wait()
		if first := <-p.requests; first.Method != "lane/1" {
			t.Errorf("first left %s", first.Method)
		}
	}
}

// TestCancelLeavesBehindItsOrder sends orders in a storm, in which they let others share their writes, and behind each its
// cancel, which may overtake everything but that.
func TestCancelLeavesBehindItsOrder(t *testing.T) {
	t.Parallel()
	const callers, rounds = 16, 200
	p := newPeer()
	placed := map[string]bool{} // of whoever writes
	p.onWrite = func(msgs [][]byte) error {
		for _, msg := range msgs {
			r := parseRequest(msg)
			if name, isCancel := strings.CutPrefix(r.Method, "cancel "); isCancel && !placed[name] {
				t.Errorf("%s left before its order", r.Method)
			}
			placed[r.Method] = true
			p.answer(r.ID, "1")
		}
		return nil
	}
	c := newConn(t, p, rpc.Config{Lane: func(method string) rpc.Lane {
		if strings.HasPrefix(method, "cancel ") {
			return rpc.LaneCancel
		}
		return rpc.LaneOrder
	}})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				name := fmt.Sprintf("%d/%d", caller, round)
				order, err := c.Send(t.Context(), name, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.Call(t.Context(), "cancel "+name, nil, nil); err != nil {
					t.Error(err)
				}
				if err := order.Wait(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
