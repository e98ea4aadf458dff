package session_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/session"
)

// TestBookTakenOverDuringAResume: who subscribes to a book while the session resumes it for somebody who leaves begins with a snapshot, at
// once, though the exchange has sent that of the resume to who has left.
func TestBookTakenOverDuringAResume(t *testing.T) {
	t.Parallel()
	for name, isHandover := range map[string]bool{"resume": false, "handover": true} {
		for while, changes := range map[string]bool{"it changes": true, "it rests": false} {
			t.Run(name+" while "+while, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					exchange, f := newBookExchange(t)
					resumed, hold := make(chan struct{}), make(chan struct{})
					answer := f.script["public/subscribe"]
					f.script["public/subscribe"] = func(p *peer, r request) {
						if p.number == 2 && len(channelsOf(r)) == 2 {
							exchange.subscribe(p, channelsOf(r)) // the snapshots
							close(resumed)
							<-hold
							p.comply(r)
							return
						}
						answer(p, r)
					}
					change := func() {
						if changes {
							exchange.change(f, bookA)
						}
						synctest.Wait()
					}
					s := dial(t, unbeaten(f))
					first := subscribe(t, s, session.SubscribeConfig{}, bookA)
					subscribe(t, s, session.SubscribeConfig{}, bookB)
					synctest.Wait()
					var callers sync.WaitGroup
					if isHandover {
						callers.Go(func() {
							if err := s.Reconnect(t.Context()); err != nil {
								t.Error(err)
							}
						})
					} else {
						f.last().close()
					}
					<-resumed
					synctest.Wait()
					callers.Go(func() {
						if err := first.Close(t.Context()); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
					var second *session.Subscription
					callers.Go(func() { second = subscribe(t, s, session.SubscribeConfig{}, bookA) })
					synctest.Wait()
					change()
					close(hold)
					callers.Wait()
					change()
					change()
					want := "=100"
					if changes {
						want = "=101 102 103"
					}
					wantTold(t, "the second", second, want)
				})
			})
		}
	}
}

// TestBookBehindStragglers: changes that the exchange had published before it took the book back, and that come after somebody else has
// subscribed to it, are no part of what that one is told.
func TestBookBehindStragglers(t *testing.T) {
	t.Parallel()
	for name, isSecond := range map[string]bool{"then the snapshot": false, "and no snapshot": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				exchange, f := newBookExchange(t)
				answer := f.script["public/subscribe"]
				subscribes := 0
				f.script["public/subscribe"] = func(p *peer, r request) {
					if subscribes++; subscribes == 2 {
						exchange.skip(bookA)
						p.notify(bookA, `{"change_id":101,"prev_change_id":100}`)
						exchange.silence(isSecond)
					}
					answer(p, r)
					exchange.silence(false)
				}
				s := dial(t, unbeaten(f))
				first := subscribe(t, s, session.SubscribeConfig{}, bookA)
				synctest.Wait()
				if err := first.Close(t.Context()); err != nil {
					t.Error(err)
				}
				exchange.skip(bookA)
				second := subscribe(t, s, session.SubscribeConfig{}, bookA)
				synctest.Wait()
				exchange.change(f, bookA)
				wantTold(t, "the second", second, "=102 103")
				if ch := s.Channels()[0]; ch.Gaps != 0 || ch.Breaks != 0 || ch.Snapshots != 1 {
					t.Errorf("%+v", ch)
				}
			})
		})
	}
}

// TestBookOfAGroupOverAHandover: a connection that follows another without a break brings no snapshot, and a group's book needs none.
func TestBookOfAGroupOverAHandover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		exchange, f := newBookExchange(t)
		group, err := session.DialGroup(t.Context(), session.GroupConfig{Config: unbeaten(f), Sessions: 1})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := group.Subscribe(t.Context(), session.SubscribeConfig{}, bookA)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			exchange.change(f, bookA)
			synctest.Wait()
			if err := group.Sessions()[0].Reconnect(t.Context()); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		exchange.change(f, bookA)
		wantTold(t, "the subscriber", sub, "=100 101 102 103 104")
		if err := group.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
