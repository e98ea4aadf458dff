package session_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/session"
)

// TestHandoverUnderABacklog has more come over the connection that is to be replaced than may wait for its turn, at each stage of the
// handover: subscriptions are told of a gap, and a book that missed nothing begins anew all the same, as after any other, whether the
// handover succeeds or not, on a session and through a group.
func TestHandoverUnderABacklog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stage string // the number of a connection, and the how many-th request of a method over it
		fails bool
	}{
		"before the next one subscribes": {stage: "1 public/test 1"},
		"after that":                     {stage: "1 public/test 2"},
		"when the next one is lost":      {"2 public/subscribe 2", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				exchange, f := newBookExchange(t)
				arrived, hold := make(chan struct{}), make(chan struct{})
				wait := func() {
					close(arrived)
					<-hold
				}
				var mu sync.Mutex // protects counts
				counts := map[string]int{}
				isStage := func(p *peer, r request) bool {
					mu.Lock()
					defer mu.Unlock()
					key := fmt.Sprint(p.number, " ", r.Method)
					counts[key]++
					return fmt.Sprint(key, " ", counts[key]) == c.stage
				}
				for method, act := range map[string]func(*peer, request){
					"public/test": (*peer).comply, "public/subscribe": f.script["public/subscribe"],
				} {
					f.script[method] = func(p *peer, r request) {
						isStage := isStage(p, r)
						if isStage && !c.fails {
							wait()
						}
						if isAnswered := !c.fails || p.number == 1 || slices.Contains(channelsOf(r), bookA); isAnswered { // of two frames
							act(p, r)
						}
						if isStage && c.fails {
							wait()
							p.close()
						}
					}
				}
				cfg := grouped(f, 1, 1)
				cfg.Heartbeat = -1 // nobody tests
				g := dialGroup(t, cfg)
				s := g.Sessions()[0]
				alone, shared := subscribeTo(t, s, bookA), subscribePair(t, g, session.SubscribeConfig{}, bookB)
				var tickers []string // more than a frame holds
				for i := range session.MaxChannels {
					tickers = append(tickers, fmt.Sprint("ticker.", i))
				}
				subscribe(t, s, session.SubscribeConfig{Handler: func(session.Notification) {}}, tickers...)
				wantTold(t, "the session's", alone, "=100")
				wantTold(t, "the group's", shared, "=100")

				var replacing sync.WaitGroup
				replacing.Go(func() {
					if err := s.Reconnect(t.Context()); (err != nil) != c.fails {
						t.Errorf("Reconnect: %v", err)
					}
				})
				<-arrived
				synctest.Wait() // nobody is at the seam
				if !session.InSeam(s, func() {
					for range session.MaxTurned + 10 {
						f.all()[0].notify(tickers[0], "1")
					}
					synctest.Wait()
				}) {
					t.Error("there is no seam")
				}
				synctest.Wait()
				close(hold)
				replacing.Wait()
				synctest.Wait()
				for book, sub := range map[string]*session.Subscription{bookA: alone, bookB: shared} {
					exchange.change(f, book)
					got := strings.Replace(told(t, sub), "=100 =100", "=100", 1) // that of the next connection, and the one asked for
					if want := "reconnect/0 =100 101"; got != want {
						t.Errorf("%s was told %q, want %q", book, got, want)
					}
				}
			})
		})
	}
}
