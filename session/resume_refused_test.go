package session_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestChannelThatIsRefusedWithAnError: one channel that the exchange no longer allows must not keep all the others away.
func TestChannelThatIsRefusedWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"private/subscribe": func(p *peer, r request) {
			if p.number > 1 && slices.Contains(channelsOf(r), "user.orders.bad.raw") {
				p.refuse(r, int(session.CodeForbidden), "forbidden")
				return
			}
			p.comply(r)
		}}
		cfg := scripted(f)
		cfg.Heartbeat = -1
		s := dial(t, cfg)
		subs := map[string]*session.Subscription{}
		for _, name := range []string{"user.orders.a.raw", "user.orders.bad.raw", "user.orders.c.raw", "ticker.d.100ms"} {
			sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, name)
			if err != nil {
				t.Fatal(err)
			}
			subs[name] = sub
		}
		f.last().close()
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		synctest.Wait()
		if n := s.Stats(); !s.Ready() || n.Epoch != 2 || n.Channels != 3 {
			t.Errorf("ready %t over connection %d with %d channels, want the second with 3", s.Ready(), n.Epoch, n.Channels)
		}
		for name, sub := range subs {
			err := sub.Err()
			if refusal, ok := errors.AsType[*rpc.Error](err); (name == "user.orders.bad.raw") != (ok && refusal.Code == session.CodeForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
