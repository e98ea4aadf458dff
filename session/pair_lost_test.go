package session_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestPairSubscribeLostAtOnce has one of two sessions alone bring a channel, and lose its connection before anything came and before the pair
// has come to align it: whatever is missing until one of them brings the channel is told.
func TestPairSubscribeLostAtOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*peer, request){
		"too many": refusing(10028, "too_many_requests"),
		"mute":     silent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
					if p.number == 2 && slices.Contains(channelsOf(r), "ticker.A") {
						answer(p, r)
						return
					}
					p.comply(r)
				}})
				g := newPair(t, f)
				subscribePair(t, g, session.SubscribeConfig{}, "ticker.B") // which is being aligned from now on
				sub, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A")
				if err != nil {
					t.Fatal(err)
				}
				f.all()[0].close()
				<-time.After(time.Second)
				f.last().notify("ticker.A", "1")
				synctest.Wait()
				wantEntries(t, waiting(t, sub), "reconnect/0 1")
			})
		})
	}
}

// TestPairSubscribeLostBeforeItReturns has the one connection that confirms a channel end behind that answer: Subscribe returns when the
// next one has confirmed it, or the loss is told.
func TestPairSubscribeLostBeforeItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			switch p.number {
			case 1:
				p.comply(r)
				p.close()
			case 2: // is mute
			default:
				<-time.After(time.Second)
				p.comply(r)
			}
		}})
		g := newPair(t, f)
		begun := time.Now()
		sub, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A")
		if err != nil {
			t.Fatal(err)
		}
		want := "1"
		if time.Since(begun) < time.Second {
			want = "reconnect/0 1"
		}
		<-time.After(3 * time.Second)
		f.last().notify("ticker.A", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), want)
	})
}
