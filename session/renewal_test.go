package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestRenewalThatSomebodyElseMade has a renewal fail, and somebody authenticate while it waits to try again: it is content with that.
func TestRenewalThatSomebodyElseMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isDown atomic.Bool // the vault, and what refreshes
		var asked atomic.Int64
		g := &grants{onAuth: func(p *peer, r request, grant string) bool {
			if isDown.Load() && grant == "refresh_token" {
				p.refuse(r, 13009, "unauthorized")
			} else {
				p.grant(r, 3600)
			}
			return true
		}}
		ring := newKeyring()
		cfg := unbeaten(newFar(t, script{"public/auth": g.auth}))
		cfg.Credentials = sourceFunc(func(ctx context.Context) (session.Credentials, error) {
			asked.Add(1)
			if isDown.Load() {
				return session.Credentials{}, errors.New("the vault is down")
			}
			return ring.Credentials(ctx)
		})
		s := dial(t, cfg)
		isDown.Store(true)
		for begun := asked.Load(); asked.Load() == begun; {
			<-time.After(50 * time.Millisecond)
		}
		synctest.Wait() // it has failed, and waits for a second or more
		isDown.Store(false)
		before := len(g.all())
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		if got := g.all()[before:]; !slices.Equal(got, []string{signed + "g1"}) {
			t.Errorf("authentications %q, want the one that was asked for", got)
		}
	})
}

// TestAnsweredSubscribeHasNoCredit refuses a subscribe for want of authority while the key is away: who shares the credits goes on.
func TestAnsweredSubscribeHasNoCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := newKeyring()
		f := newFar(t, script{"private/subscribe": refusing(13009, "unauthorized")})
		one, two := unbeaten(f), unbeaten(newFar(t, nil))
		one.Credentials = source
		one.Limits = &session.Limits{}
		two.Limits = one.Limits
		a, b := dial(t, one), dial(t, two)
		open := source.shut()
		defer open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		refused := make(chan error, 1)
		go func() {
			_, err := a.Subscribe(ctx, session.SubscribeConfig{}, "user.lock")
			refused <- err
		}()
		synctest.Wait()
		for i := range 30 {
			within, leave := context.WithTimeout(t.Context(), time.Minute)
			if _, err := b.Subscribe(within, session.SubscribeConfig{}, fmt.Sprint("ticker.", i)); err != nil {
				t.Fatalf("subscribe %d: %v", i, err)
			}
			leave()
		}
		cancel()
		if err := <-refused; err == nil {
			t.Error("the refused one has its channel")
		}
	})
}
