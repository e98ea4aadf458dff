package session_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestObserverIsToldOfEachStep follows a session through its life: each step stands within its parent and ends once.
func TestObserverIsToldOfEachStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, nil), &recorder{}
		cfg := scripted(f)
		cfg.Observer = watch
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		connected := []string{
			"/connect", "/connect/dial", "end dial ok", "/connect/authenticate", "end authenticate ok",
			"/connect/resume", "end resume ok", "end connect ok",
		}
		if got := watch.steps(); !slices.Equal(got, connected) {
			t.Errorf("after Dial: %q", got)
		}
		subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(connected, []string{"/subscribe", "end subscribe ok", "/reauthenticate", "end reauthenticate ok"}, connected)
		if got := watch.steps(); !slices.Equal(got, want) {
			t.Errorf("in all: %q", got)
		}
		watch.check(t)
	})
}

// TestObserverIsToldOfFailures fails each step in turn: it and its parents end, once, with an error.
func TestObserverIsToldOfFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script script
		refuse func(int) error
		want   string
	}{
		"dial": {nil, func(int) error { return &rpc.HandshakeError{Err: context.Canceled} }, "/connect /connect/dial end dial failed end connect failed"},
		"authenticate": {
			script{"public/auth": refusing(13004, "no")},
			nil,
			"/connect /connect/dial end dial ok /connect/authenticate end authenticate failed end connect failed",
		},
		"the connection, at the heartbeat": {
			script{"public/set_heartbeat": refusing(11050, "bad_request")},
			nil,
			"/connect /connect/dial end dial ok /connect/authenticate end authenticate ok /connect/resume end resume ok end connect failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, watch := newFar(t, c.script), &recorder{}
				f.refuse = c.refuse
				cfg := scripted(f)
				cfg.Observer = watch
				if s, err := session.Dial(t.Context(), cfg); err == nil {
					closeAtEnd(t, s)
					t.Fatal("Dial passed")
				}
				wantEntries(t, watch.steps(), c.want)
				watch.check(t)
			})
		})
	}
}

// TestObserverContextsAreKept hands what StepStart returns to the calls of the step, as spans need it.
func TestObserverContextsAreKept(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	watch := &callWatcher{parents: map[string]string{}}
	cfg := scripted(f)
	cfg.Observer = watch
	s := dial(t, cfg)
	subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
	if err := s.Reauthenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithValue(t.Context(), stepKey{}, "/mine")
	if err := s.Call(ctx, "public/hello", nil, nil); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{
		"public/auth": "/connect/authenticate /reauthenticate", "public/subscribe": "/subscribe", "public/hello": "/mine",
	} {
		if got := watch.of(method); got != want {
			t.Errorf("%s was called within %q, want %q", method, got, want)
		}
	}
	if watch.starts.Load() == 0 || watch.starts.Load() != watch.ends.Load() {
		t.Errorf("%d calls started, %d ended", watch.starts.Load(), watch.ends.Load())
	}
}

// callWatcher is an Observer that also observes calls.
type callWatcher struct {
	recorder
	starts, ends atomic.Int64
	callMu       sync.Mutex // protects parents
	parents      map[string]string
}

// Calls implements session.Observer.
func (w *callWatcher) Calls(context.Context, session.Step) rpc.Observer { return w }

// CallStart implements rpc.Observer.
func (w *callWatcher) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	w.starts.Add(1)
	parent, _ := ctx.Value(stepKey{}).(string)
	w.callMu.Lock()
	defer w.callMu.Unlock()
	w.parents[call.Method] = strings.TrimSpace(w.parents[call.Method] + " " + parent)
	return ctx
}

// CallEnd implements rpc.Observer.
func (w *callWatcher) CallEnd(context.Context, rpc.CallInfo, rpc.CallEnd) { w.ends.Add(1) }

// Stray implements rpc.Observer.
func (w *callWatcher) Stray(rpc.Stray) {}

func (w *callWatcher) of(method string) string {
	w.callMu.Lock()
	defer w.callMu.Unlock()
	return w.parents[method]
}

// nosy is an Observer that calls every accessor of its session from every callback.
type nosy struct {
	recorder
	mine atomic.Pointer[session.Session]
}

func (n *nosy) look() {
	s := n.mine.Load()
	if s == nil {
		return
	}
	_, _, _, _, _ = s.State(), s.Ready(), s.Stats(), s.Channels(), s.Generation()
	_, _, _, _ = s.Err(), s.Name(), s.URL(), s.Done()
	s.Handle("ticker.BTC-PERPETUAL.raw", func(session.Notification) {})()
}

// Opened implements session.Observer.
func (n *nosy) Opened(s *session.Session) {
	n.mine.Store(s)
	n.look()
	n.recorder.Opened(s)
}

// Ended implements session.Observer.
func (n *nosy) Ended(s *session.Session) {
	n.look()
	n.recorder.Ended(s)
}

// Calls implements session.Observer.
func (n *nosy) Calls(context.Context, session.Step) rpc.Observer {
	n.look()
	return n
}

// StepStart implements session.Observer.
func (n *nosy) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	n.look()
	ctx, end := n.recorder.StepStart(ctx, step)
	return ctx, func(e session.StepEnd) {
		n.look()
		end(e)
	}
}

// StateChanged implements session.Observer.
func (n *nosy) StateChanged(s *session.Session, from, to session.State, err error) {
	n.look()
	n.recorder.StateChanged(s, from, to, err)
}

// Gap implements session.Observer.
func (n *nosy) Gap(s *session.Session, gap *session.GapError) {
	n.look()
	n.recorder.Gap(s, gap)
}

// Resent implements session.Observer.
func (n *nosy) Resent(s *session.Session, method string) {
	n.look()
	n.recorder.Resent(s, method)
}

// CallStart implements rpc.Observer.
func (n *nosy) CallStart(ctx context.Context, _ rpc.CallInfo) context.Context {
	n.look()
	return ctx
}

// CallEnd implements rpc.Observer.
func (n *nosy) CallEnd(context.Context, rpc.CallInfo, rpc.CallEnd) { n.look() }

// Stray implements rpc.Observer.
func (n *nosy) Stray(rpc.Stray) { n.look() }

// TestLocksAreLeaves calls the session from every callback that it makes, while all of it is at work. A lock that is held
// across a callback would deadlock here.
// Asks: jrpc2#27, centrifuge-go#129, centrifuge-go#133.
func TestLocksAreLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: time.Millisecond})
		watch := &nosy{}
		cfg.Observer = watch
		cfg.Credentials = nosySource{cfg.Credentials, watch}
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var gaps atomic.Int64
		sub := subscribe(t, s, session.SubscribeConfig{
			Handler: func(session.Notification) { watch.look() },
			OnGap: func(error) {
				watch.look()
				gaps.Add(1)
			},
		}, "ticker.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.raw")
		slow := subscribe(t, s, session.SubscribeConfig{Buffer: 1}, "book.BTC-PERPETUAL.raw")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					_ = s.Call(t.Context(), "private/get_positions", nil, nil) // some meet no connection
					_ = s.Reauthenticate(t.Context())
				}
			})
		}
		for range 3 {
			time.Sleep(50 * time.Millisecond) //nolint:forbidigo // virtual time
			server.CutConnections()
			synctest.Wait() // until the session has seen it
			if err := s.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		if err := slow.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if gaps.Load() != 4 || sub.Err() == nil { // three losses and the end
			t.Errorf("the handler was told %d times, ended with %v", gaps.Load(), sub.Err())
		}
		watch.check(t)
	})
}

type nosySource struct {
	session.CredentialSource
	watch *nosy
}

// Credentials implements session.CredentialSource.
func (n nosySource) Credentials(ctx context.Context) (session.Credentials, error) {
	n.watch.look()
	return n.CredentialSource.Credentials(ctx)
}
