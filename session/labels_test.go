package session_test

import (
	"bytes"
	"context"
	"errors"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// heldUp are goroutines that sessions and groups start, some of them on their callers'.
var heldUp = []string{
	"session.(*Session).supervise", "rpc.(*Conn).read", "session.(*authenticator).fly", "session.(*Session).mendBooks",
	"session.(*Subscription).leave.func", "session.(*Session).askFrame", "session.(*Session).handOver",
	"session.(*Group).watch", "session.(*team).tend", "session.(*team).equip", "session.(*Group).mendBooks", "session.(*Group).join", "session.(*team).obtain",
}

// TestGoroutinesAreLabelled holds goroutines of sessions and of a group at what they do, whoever started them, and finds the label of
// their session or group on each in a profile: on all that run in package session and that no test has started.
func TestGoroutinesAreLabelled(t *testing.T) {
	t.Parallel()
	const slow = "ticker.slow"
	hold := make(chan struct{})
	var holding atomic.Bool
	wait := func(p *peer, r request) {
		if holding.Load() {
			<-hold
		}
		p.comply(r)
	}
	f := newFar(t, script{
		"public/unsubscribe": wait,
		"public/subscribe": func(p *peer, r request) {
			if slices.Contains(channelsOf(r), slow) {
				wait(p, r)
				return
			}
			p.comply(r)
		},
	})
	cfg := scripted(f)
	cfg.CallTimeout, cfg.DialTimeout = time.Hour, time.Hour
	source := cfg.Credentials
	cfg.Credentials = sourceFunc(func(ctx context.Context) (session.Credentials, error) {
		if holding.Load() {
			<-hold
		}
		return source.Credentials(ctx)
	})
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	begin := func(what string, call func() error) {
		callers.Go(func() {
			if err := call(); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}

	mended, waited, replaced := dial(t, cfg), dial(t, cfg), dial(t, cfg)
	book := subscribe(t, mended, session.SubscribeConfig{}, bookA)
	f.all()[0].notify(bookA, `{"change_id":100}`)
	until(t, "the book has begun", func() bool { return mended.Channels()[0].Notifications == 1 })
	g, err := session.DialGroup(t.Context(), session.GroupConfig{Config: cfg, Sessions: 2, Copies: 2})
	if err != nil {
		t.Fatal(err)
	}
	holding.Store(true)
	f.hang.Store(true)
	if err := book.Resync(bookA); err != nil {
		t.Fatal(err)
	}
	begin("Reauthenticate", func() error { return mended.Reauthenticate(t.Context()) })
	begin("Reconnect", func() error { return replaced.Reconnect(ctx) })
	begin("Subscribe", func() error {
		_, err := waited.Subscribe(t.Context(), session.SubscribeConfig{}, slow)
		return err
	})
	begin("the group's Subscribe", func() error {
		_, err := g.Subscribe(t.Context(), session.SubscribeConfig{}, slow)
		return err
	})
	until(t, "the mender holds up who subscribes", func() bool { return f.count("public/unsubscribe") == 1 })
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := mended.Subscribe(left, session.SubscribeConfig{}, "ticker.A"); !errors.Is(err, context.Canceled) {
		t.Errorf("a Subscribe that was left: %v", err)
	}

	var missing, unlabelled []string
	isComplete := func() bool {
		missing, unlabelled = goroutinesWithout(t, heldUp)
		return len(missing)+len(unlabelled) == 0 // one that has only just begun has no label yet
	}
	for deadline := time.Now().Add(20 * time.Second); !isComplete() && time.Now().Before(deadline); {
		rest := time.NewTimer(time.Millisecond)
		<-rest.C
	}
	close(hold)
	cancel()
	callers.Wait()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(missing)+len(unlabelled) > 0 {
		t.Errorf("no goroutine with a label is in %q; without a label are:\n%s", missing, strings.Join(unlabelled, "\n\n"))
	}
}

// goroutinesWithout are those of the functions in which no goroutine with a label is, and the goroutines in package session that have
// none and are not a test's.
func goroutinesWithout(t *testing.T, functions []string) (missing, unlabelled []string) {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	missing = functions
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		switch {
		case strings.Contains(stack, `"holdfast.session":`), strings.Contains(stack, `"holdfast.group":`):
			missing = slices.DeleteFunc(slices.Clone(missing), func(f string) bool { return strings.Contains(stack, f) })
		case strings.Contains(stack, "/session_test."), strings.Contains(stack, "testing."), !strings.Contains(stack, "holdfast/session."):
		default:
			unlabelled = append(unlabelled, stack)
		}
	}
	return missing, unlabelled
}
