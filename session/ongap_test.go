package session_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// toldByOnGap is a config of a subscription with a Handler, and what its OnGap was told.
func toldByOnGap() (cfg session.SubscribeConfig, errs func() []error) {
	var mu sync.Mutex
	var all []error
	cfg.Handler = func(session.Notification) {}
	cfg.OnGap = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, err)
	}
	return cfg, func() []error {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// TestSubscribeThatEndsWithTheSession returns why, and OnGap is not told it once more.
func TestSubscribeThatEndsWithTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": silent})
		s := dial(t, scripted(f))
		cfg, errs := toldByOnGap()
		var subscribing sync.WaitGroup
		subscribing.Go(func() {
			if sub, err := s.Subscribe(t.Context(), cfg, "ticker.A"); sub != nil || err == nil {
				t.Errorf("Subscribe = %v, %v", sub, err)
			}
		})
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		subscribing.Wait()
		if got := errs(); len(got) != 0 {
			t.Errorf("OnGap was told %v", got)
		}
	})
}

// TestSharedChannelThatIsRefusedDuringASubscribe is told by OnGap to who had it, and returned to who subscribes, with the reason.
func TestSharedChannelThatIsRefusedDuringASubscribe(t *testing.T) {
	t.Parallel()
	for name, channels := range map[string][]string{"alone": {forbidden}, "among others": {allowed, forbidden}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"private/subscribe": func(p *peer, r request) {
					if p.number > 1 && slices.Contains(channelsOf(r), forbidden) {
						p.refuse(r, 11050, "no")
						return
					}
					p.comply(r)
				}})
				s := dial(t, unbeaten(f))
				had, hadErrs := toldByOnGap()
				if _, err := s.Subscribe(t.Context(), had, forbidden, "ticker.A"); err != nil {
					t.Fatal(err)
				}
				f.hang.Store(true)
				f.last().close()
				synctest.Wait()
				cfg, errs := toldByOnGap()
				var subscribing sync.WaitGroup
				subscribing.Go(func() {
					_, err := s.Subscribe(t.Context(), cfg, channels...)
					refusal, isRefused := errors.AsType[*session.SubscribeError](err)
					if !isRefused || !slices.Equal(refusal.Refused, []string{forbidden}) || !isA[*rpc.Error](refusal.Err) {
						t.Errorf("Subscribe: %v", err)
					}
				})
				synctest.Wait()
				f.hang.Store(false)
				subscribing.Wait()
				refusals := slices.DeleteFunc(hadErrs(), func(err error) bool { return !isA[*session.SubscribeError](err) })
				if len(refusals) != 1 {
					t.Errorf("who had it was told %v", hadErrs())
				}
				if got := slices.DeleteFunc(errs(), isA[*session.GapError]); len(got) != 0 {
					t.Errorf("OnGap of who subscribes was told %v", got)
				}
			})
		})
	}
}
