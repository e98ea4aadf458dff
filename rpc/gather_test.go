package rpc_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
)

// TestWhoHasGatheredIsTheOnlyWriter has an urgent call come while a caller who let others share its write is writing.
func TestWhoHasGatheredIsTheOnlyWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer()
		p.hold()
		c := newConn(t, p, rpc.Config{Lane: laneByName})
		for range 3 { // so that the next one yields
			callAsync(t.Context(), c, "lane/3", nil)
			<-p.held
			p.proceed <- struct{}{}
		}
		synctest.Wait()
		callAsync(t.Context(), c, "lane/3", nil)
		<-p.held
		callAsync(t.Context(), c, "lane/0", nil)
		synctest.Wait()
		if len(p.held) > 0 {
			t.Fatal("two are writing at once")
		}
		p.proceed <- struct{}{}
		if next := <-p.held; len(next) != 1 || next[0].Method != "lane/0" {
			t.Errorf("next left %v, want the urgent call", next)
		}
		p.proceed <- struct{}{}
	})
}
