package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestPairSubscribeOverOneLeg has one of two sessions not confirm a channel: the other one brings it, and nobody waits. Where the first
// did not say that it never will it follows, and then losing the other loses nothing.
func TestPairSubscribeOverOneLeg(t *testing.T) {
	t.Parallel()
	leaveOut := func(p *peer, r request) { p.answer(r, []string{}) }
	for name, c := range map[string]struct {
		answer func(*peer, request)
		times  int64
		within time.Duration
		alone  bool // the other one brings it alone for good
	}{
		"mute":       {silent, 1, 0, false},
		"mute twice": {silent, 2, 0, false},
		// The credits that the two share rest for 5 s after each.
		"too many":         {refusing(10028, "too_many_requests"), 1, 6 * time.Second, false},
		"too many, twice":  {refusing(10028, "too_many_requests"), 2, 12 * time.Second, false},
		"not known to one": {leaveOut, 1 << 40, 0, true},
		"forbidden to one": {refusing(-32602, "Invalid params"), 1 << 40, 0, true},
	} {
		for bad := 1; bad <= 2; bad++ {
			t.Run(fmt.Sprint(name, ", connection ", bad), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var refused atomic.Int64
					var subscribed [3]atomic.Bool // by the connections' numbers
					f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
						if p.number == bad && refused.Add(1) <= c.times {
							c.answer(p, r)
							return
						}
						subscribed[p.number].Store(true)
						p.comply(r)
					}})
					g := newPair(t, f)
					begun := time.Now()
					sub, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A", "ticker.B")
					if err != nil || time.Since(begun) > c.within {
						t.Fatalf("Subscribe: %v after %v", err, time.Since(begun))
					}
					for _, p := range f.all() {
						if subscribed[p.number].Load() {
							p.notify("ticker.A", "1")
						}
					}
					synctest.Wait()
					wantEntries(t, waiting(t, sub), "1")
					<-time.After(2 * time.Minute)
					if n := refused.Load(); c.alone && n > 8 || !c.alone && n <= c.times {
						t.Errorf("the one was asked %d times in two minutes", n)
					}
					other := f.all()[2-bad]
					other.close()
					synctest.Wait()
					if c.alone {
						wantEntries(t, waiting(t, sub), "reconnect/0 reconnect/0")
						return
					}
					f.all()[bad-1].notify("ticker.A", "2")
					synctest.Wait()
					wantEntries(t, waiting(t, sub), "2")
				})
			})
		}
	}
}

// TestPairSubscribeOverEither has each of two sessions refuse another channel, and then both the same.
func TestPairSubscribeOverEither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lacks := map[int]string{1: "ticker.A", 2: "ticker.B"}
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			p.answer(r, slices.DeleteFunc(channelsOf(r), func(n string) bool { return n == lacks[p.number] || n == "ticker.NONE" }))
		}})
		g := newPair(t, f)
		sub := subscribePair(t, g, session.SubscribeConfig{}, "ticker.A", "ticker.B")
		for i, name := range []string{"ticker.B", "ticker.A"} {
			f.all()[i].notify(name, strconv.Itoa(i))
			synctest.Wait()
		}
		wantEntries(t, waiting(t, sub), "0 1")
		var over []string
		for _, stats := range g.Channels() {
			over = append(over, stats.Sessions...)
		}
		if len(over) != 2 || over[0] == over[1] {
			t.Errorf("two channels, each of which the other session refused, come over %v", over)
		}
		_, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.B", "ticker.C", "ticker.NONE")
		refusal, isRefusal := errors.AsType[*session.SubscribeError](err)
		if !isRefusal || !slices.Equal(refusal.Refused, []string{"ticker.NONE"}) {
			t.Errorf("Subscribe: %v", err)
		}
		if got := sub.Channels(); len(got) != 2 {
			t.Errorf("the first subscription has %v", got)
		}
	})
}

// TestPairFollowsWhenItIsBack loses one of two connections for an hour, in which channels come and go: nothing of the group waits for
// it, and once it is back it brings all that is left.
func TestPairFollowsWhenItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := grouped(f, 2, 2)
		cfg.Heartbeat, cfg.Name = -1, t.Name()
		g := dialGroup(t, cfg)
		before := goroutinesOf(t, t.Name())
		f.hang.Store(true)
		f.all()[1].close()
		synctest.Wait()
		var kept *session.Subscription
		for i := range 50 {
			sub := subscribePair(t, g, session.SubscribeConfig{}, fmt.Sprintf("ticker.%d", i))
			if kept = sub; i < 49 {
				if err := sub.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
		<-time.After(time.Hour)
		if n := goroutinesOf(t, t.Name()); n > before {
			t.Errorf("%d goroutines of the group, %d before", n, before)
		}
		f.hang.Store(false)
		for _, s := range g.Sessions() {
			if err := s.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		f.all()[0].close()
		synctest.Wait()
		f.all()[1].notify("ticker.49", "lost") // of a connection that is no more
		f.all()[2].notify("ticker.49", "1")
		synctest.Wait()
		wantEntries(t, waiting(t, kept), "1")
	})
}

// goroutinesOf is how many goroutines carry the label of a group.
func goroutinesOf(t *testing.T, group string) (n int) {
	t.Helper()
	synctest.Wait()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	_, records, _ := strings.Cut(profile.String(), "\n") // the first line has the total
	for record := range strings.SplitSeq(records, "\n\n") {
		if strings.Contains(record, fmt.Sprintf("%q:%q", "holdfast.group", group)) {
			var alike int
			if _, err := fmt.Sscan(record, &alike); err != nil {
				t.Fatalf("%v in %s", err, record)
			}
			n += alike
		}
	}
	return n
}
