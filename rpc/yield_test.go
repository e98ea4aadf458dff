package rpc_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestWhoYields: a read, when three others are under way or have just been answered; an order, when seven are; what is
// urgent never.
func TestWhoYields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.onWrite = func(msgs [][]byte) error {
			for _, msg := range msgs {
				if r := parseRequest(msg); r.Method != "lane/3" {
					p.answer(r.ID, "1") // the others stay under way
				} else {
					p.requests <- r
				}
			}
			return nil
		}
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		yields := func(when, method string, want bool) {
			t.Helper()
			if got, err := rpc.CallYields(t.Context(), c, method); err != nil || got != want {
				t.Errorf("%s: %s yields: %t, %v, want %t", when, method, got, err, want)
			}
		}
		pending := 0
		underway := func(n int) {
			for ; pending < n; pending++ {
				callAsync(t.Context(), c, "lane/3", nil)
			}
		}

		yields("alone", "lane/4", false)
		underway(1)
		yields("with another, one answered", "lane/4", false)
		underway(2)
		yields("with two others", "lane/1", false)
		underway(3)
		yields("with three others", "lane/4", true)
		yields("with three others", "lane/2", false)
		underway(6)
		yields("with six others", "lane/0", false)
		underway(7)
		yields("with seven others", "lane/2", true)
		yields("with seven others", "lane/1", false)
		yields("with seven others", "lane/0", false)

		for ; pending > 0; pending-- {
			p.answer((<-p.requests).ID, "1")
		}
		synctest.Wait()
		yields("after seven answers", "lane/2", true)
		yields("after one answer", "lane/4", false)
	})
}
