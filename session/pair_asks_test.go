package session_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// asked is how often a method came over connection n.
func asked(f *far, n int, method string) int {
	return len(slices.DeleteFunc(f.requests(n), func(m string) bool { return m != method }))
}

// TestPairAsksAgainForABookThatIsHadAnew has one session take a second for each answer, the other one give none, and a book be given up
// and had anew again and again beside the question: each answer that does not count for that has it asked for once more, and no more.
func TestPairAsksAgainForABookThatIsHadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			if p.number == 1 {
				<-time.After(time.Second)
				p.comply(r)
			}
		}})
		g := newPair(t, f)
		const times = 20
		for range times {
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			if _, err := g.Subscribe(ctx, session.SubscribeConfig{}, bookA); err == nil {
				t.Log("it was confirmed in time")
			}
			cancel()
		}
		begun := time.Now()
		subscribePair(t, g, session.SubscribeConfig{}, bookA)
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("the last Subscribe took %v", took)
		}
		during := asked(f, 1, "public/subscribe")
		<-time.After(time.Minute)
		if n := asked(f, 1, "public/subscribe"); during > times+1 || n > during {
			t.Errorf("it was asked %d times for %d subscriptions, and %d times in the minute after", during, times+1, n-during)
		}
	})
}

// TestPairAsksNobodyWhoIsBeingReplaced has a channel be confirmed over a connection, and over the next one before the pair, which a Handler
// holds up, has come to take note: Subscribe waits for the next one to take over, where the other session is mute, and asks neither again.
func TestPairAsksNobodyWhoIsBeingReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resumed := make(chan struct{})
		f := newFar(t, script{
			"public/subscribe": func(p *peer, r request) {
				if p.number == 3 {
					defer close(resumed)
				}
				if p.number != 2 || !slices.Contains(channelsOf(r), "ticker.A") {
					p.comply(r)
				}
			},
			"public/test": func(p *peer, r request) {
				if p.number == 1 { // before the next one resumes, and after
					<-time.After(time.Second)
				}
				p.comply(r)
			},
		})
		g := newPair(t, f)
		first := g.Sessions()[0] // of connection 1
		if err := first.Call(t.Context(), "public/status", nil, nil); err != nil {
			t.Fatal(err)
		}
		if asked(f, 1, "public/status") == 0 {
			first = g.Sessions()[1]
		}
		hold := make(chan struct{})
		subscribePair(t, g, session.SubscribeConfig{
			Handler: func(n session.Notification) {
				if string(n.Data) == "1" {
					<-hold
				}
			},
			OnGap: wantOnlyTheEnd(t),
		}, "ticker.B")
		for _, p := range f.all() {
			p.notify("ticker.B", "0")
		}
		<-time.After(time.Minute)
		f.all()[1].notify("ticker.B", "1")
		synctest.Wait()
		subscribed, replaced := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A")
			subscribed <- err
		}()
		synctest.Wait()
		go func() { replaced <- first.Reconnect(t.Context()) }()
		<-resumed
		synctest.Wait()
		resumedAt := time.Now()
		close(hold)
		if err := <-subscribed; err != nil || time.Since(resumedAt) != time.Second {
			t.Errorf("Subscribe: %v, %v after the next one has resumed", err, time.Since(resumedAt))
		}
		if err := <-replaced; err != nil {
			t.Error(err)
		}
		if one, three := asked(f, 1, "public/subscribe"), asked(f, 3, "public/subscribe"); one != 2 || three != 1 {
			t.Errorf("the one was asked %d times, the next one %d times", one, three)
		}
	})
}
