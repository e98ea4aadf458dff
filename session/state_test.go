package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/session"
)

// TestStatesAreStreamed watches a session over a loss to its end.
// Asks: nautilus_trader#3204, subxt#2053, subxt#1423, subxt#1190, subxt#1657, subxt#1567, async-substrate-interface#200,
// coinbase-pro-node#102, go-ethereum#22266.
func TestStatesAreStreamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var watching sync.WaitGroup
		var seen []string
		var last session.StateChange
		watching.Go(func() {
			for change := range s.States(t.Context()) {
				seen = append(seen, fmt.Sprintf("%v %d", change.State, change.Epoch))
				last = change
				if (change.Err != nil) != (change.State == session.Backoff || change.State == session.Closed) {
					t.Errorf("%v because of %v", change.State, change.Err)
				}
			}
		})
		synctest.Wait()
		f.last().close()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		watching.Wait()
		// Those between are over so soon that a consumer may miss them.
		for _, want := range []string{"ready 1", "backoff 1", "ready 2", "closed 2"} {
			if !slices.Contains(seen, want) {
				t.Errorf("%q is not among %q", want, seen)
			}
		}
		if seen[0] != "ready 1" || !errors.Is(last.Err, session.ErrClosed) {
			t.Errorf("%q, the last because of %v", seen, last.Err)
		}
	})
}

// TestStatesOfASlowConsumer gives it the newest alone, whose epoch tells what it missed; and lets it leave.
func TestStatesOfASlowConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		s := dial(t, scripted(f))
		var epochs []uint64
		for change := range s.States(t.Context()) {
			epochs = append(epochs, change.Epoch)
			if len(epochs) == 2 {
				break
			}
			for range 3 {
				f.last().close()
				synctest.Wait()
				if err := s.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(epochs, []uint64{1, 4}) {
			t.Errorf("epochs %v, want 1 and 4", epochs)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for range s.States(ctx) {
			n++
			cancel()
		}
		if n != 1 {
			t.Errorf("%d changes, want the present state and then the end of ctx", n)
		}
	})
}

// TestGoroutinesAreLabelled finds all goroutines of a session in a profile by its name, whoever started them.
func TestGoroutinesAreLabelled(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	cfg := scripted(newFar(t, nil))
	cfg.Name = "labelled-" + t.Name()
	source, asked := cfg.Credentials, make(chan struct{}, 1)
	held := false
	cfg.Credentials = sourceFunc(func(ctx context.Context) (session.Credentials, error) {
		if held {
			asked <- struct{}{}
			<-hold
		}
		return source.Credentials(ctx)
	})
	s := dial(t, cfg)
	held = true
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-asked
	var profile bytes.Buffer
	err := pprof.Lookup("goroutine").WriteTo(&profile, 1)
	close(hold)
	asking.Wait()
	if err != nil {
		t.Fatal(err)
	}
	var mine []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf(`"holdfast.session":%q`, cfg.Name)) {
			mine = append(mine, stack)
		}
	}
	for _, function := range []string{"(*Session).supervise", "(*Conn).read", "(*authenticator).fly"} {
		if !slices.ContainsFunc(mine, func(stack string) bool { return strings.Contains(stack, function) }) {
			t.Errorf("no goroutine in %s has the session's label", function)
		}
	}
}
