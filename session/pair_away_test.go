package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestPairSubscribeOverTheOneThatComesBack has the connection that is asked for a channel be lost for good, while the other one, which was
// not there, comes back.
func TestPairSubscribeOverTheOneThatComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			if p.number == 1 {
				p.close()
				return
			}
			p.comply(r)
		}})
		back := make(chan struct{})
		f.refuse = func(attempt int) error {
			switch {
			case attempt == 3:
				<-back
			case attempt > 3:
				return errors.New("away")
			}
			return nil
		}
		g := newPair(t, f)
		f.all()[1].close()
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(back) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		sub, err := g.Subscribe(ctx, session.SubscribeConfig{}, "ticker.A")
		if err != nil || time.Since(begun) > 2*time.Second {
			t.Fatalf("Subscribe: %v after %v", err, time.Since(begun))
		}
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1")
	})
}
