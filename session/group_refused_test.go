package session_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestGroupSubscribeBesideARefusal joins a channel of a group while those who have it are told that it is refused: who comes is told
// why, or has the channel.
func TestGroupSubscribeBesideARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isRefusing atomic.Bool
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			if isRefusing.Load() {
				p.refuse(r, 13021, "forbidden")
				return
			}
			p.comply(r)
		}})
		g := dialGroup(t, grouped(f, 1, 1))
		var late *session.Subscription
		var lateErr error
		var joining sync.WaitGroup
		join := func() {
			joining.Go(func() { late, lateErr = g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A") })
			<-time.After(time.Second) // the other one is told after this
		}
		var once sync.Once
		tell := func(err error) {
			if isA[*session.SubscribeError](err) {
				once.Do(join)
			}
		}
		for range 2 {
			if _, err := g.Subscribe(t.Context(), session.SubscribeConfig{Handler: func(session.Notification) {}, OnGap: tell}, "ticker.A"); err != nil {
				t.Fatal(err)
			}
		}
		isRefusing.Store(true)
		f.last().close()
		<-time.After(time.Minute)
		joining.Wait()
		if lateErr == nil && late.Err() == nil {
			t.Error("it has a channel that nothing feeds")
		}
		if lateErr != nil && !isA[*session.SubscribeError](lateErr) && !isA[*rpc.Error](lateErr) {
			t.Errorf("Subscribe = %v", lateErr)
		}
		isRefusing.Store(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		told := 0
		if _, err := g.Subscribe(ctx, session.SubscribeConfig{Handler: func(session.Notification) { told++ }}, "ticker.A"); err != nil {
			t.Fatal(err)
		}
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		if told != 1 {
			t.Errorf("%d delivered to who comes after it", told)
		}
	})
}
