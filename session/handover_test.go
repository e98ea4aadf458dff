package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Asks: ccxt#22871.
func TestReconnectIsPlanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, nil), &recorder{}
		cfg := scripted(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
		f.last().notify("ticker.A", "1")
		start := time.Now()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.Ready() || s.Stats().Epoch != 2 || time.Since(start) > time.Second {
			t.Errorf("ready %t, epoch %d after %v", s.Ready(), s.Stats().Epoch, time.Since(start))
		}
		synctest.Wait()
		f.last().notify("ticker.A", "2")
		synctest.Wait()
		if got := f.requests(1); got[len(got)-1] != "private/logout" {
			t.Errorf("the old connection saw %q, want a logout at its end", got)
		}
		wantEntries(t, waiting(t, sub), "1 2")
		if got := watch.states(); got != "connecting authenticating resuming ready ready" {
			t.Errorf("states = %s", got)
		}
	})
}

func subscribeTo(t *testing.T, s *session.Session, channels ...string) *session.Subscription {
	t.Helper()
	return subscribe(t, s, session.SubscribeConfig{}, channels...)
}

// TestHandoverHearsTheOldConnectionOut has the exchange's answer overtake notifications, which its documents do not exclude: what comes
// late over the old connection is delivered, once, as long as that lives.
func TestHandoverHearsTheOldConnectionOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := make(chan request, 1)
		f := newFar(t, script{"private/buy": func(_ *peer, r request) { held <- r }})
		s := dial(t, scripted(f))
		sub := subscribeTo(t, s, "ticker.A", "user.orders.any")
		old := f.last()
		var calling sync.WaitGroup
		calling.Go(func() {
			if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := f.last()
		for _, said := range []struct {
			p             *peer
			channel, data string
		}{
			{old, "ticker.A", "1"}, // late: the next connection had not subscribed when it was published
			{next, "ticker.A", "2"},
			{old, "ticker.A", "2"},
			{old, "user.orders.any", "3"},
			{next, "user.orders.any", "3"},
		} {
			said.p.notify(said.channel, said.data)
			synctest.Wait()
		}
		old.answer(<-held, "ok")
		calling.Wait()
		synctest.Wait()
		next.notify("ticker.A", "4")
		synctest.Wait()
		wantEntries(t, waiting(t, sub), "1 2 3 4")
		if got := f.requests(1); got[len(got)-1] != "private/logout" {
			t.Errorf("the old connection saw %q, want a logout at its end", got)
		}
	})
}

// TestHandoverWaitsForCalls has an order under way over the old connection when another one takes over: its answer is waited for, and
// only then the old connection is logged out. Calls go over the next one meanwhile, and heartbeats of both are answered.
func TestHandoverWaitsForCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := make(chan request, 1)
		f := newFar(t, script{"private/buy": func(p *peer, r request) {
			if p.number == 1 {
				held <- r
				return
			}
			p.comply(r)
		}})
		s := dial(t, scripted(f))
		answered := make(chan error, 1)
		var calling sync.WaitGroup
		calling.Go(func() { answered <- s.Call(t.Context(), "private/buy", nil, nil) })
		synctest.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Call(t.Context(), "private/buy", nil, nil); err != nil {
			t.Error(err)
		}
		old, next := f.all()[0], f.all()[1]
		for _, p := range []*peer{old, next} {
			before := f.count("public/test")
			p.testRequest()
			synctest.Wait()
			if n := f.count("public/test") - before; n != 1 {
				t.Errorf("connection %d: %d answers to a test_request", p.number, n)
			}
		}
		if got := f.requests(1); slices.Contains(got, "private/logout") {
			t.Error("logged out under a call")
		}
		old.answer(<-held, "ok")
		if err := <-answered; err != nil {
			t.Errorf("the call under way: %v", err)
		}
		calling.Wait()
		synctest.Wait()
		if got := f.requests(1); got[len(got)-1] != "private/logout" {
			t.Errorf("the old connection saw %q, want a logout at its end", got)
		}
		wantPlaced := []string{"1 private/buy", "2 private/buy"}
		f.mu.Lock()
		defer f.mu.Unlock()
		if got := slices.DeleteFunc(slices.Clone(f.log), func(l string) bool { return !strings.HasSuffix(l, "buy") }); !slices.Equal(got, wantPlaced) {
			t.Errorf("orders %q, want %q", got, wantPlaced)
		}
	})
}

// TestHandoverEndsACallThatTakesTooLong: its ctx would have it wait for longer than CallTimeout, its connection is gone by then, and nobody
// sends it again.
func TestHandoverEndsACallThatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": silent})
		cfg := scripted(f)
		cfg.Heartbeat, cfg.CallTimeout = -1, 10*time.Second
		s := dial(t, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ended := make(chan error, 1)
		var calling sync.WaitGroup
		calling.Go(func() { ended <- s.Call(ctx, "private/buy", nil, nil) })
		synctest.Wait()
		start := time.Now()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		calling.Wait()
		if took := time.Since(start); took != cfg.CallTimeout {
			t.Errorf("it ended after %v", took)
		}
		if unknown, ok := errors.AsType[*rpc.CallError](err); !ok || unknown.Outcome != rpc.Unknown {
			t.Errorf("%v, want that it is not known what has become of it", err)
		}
		if n := f.count("private/buy"); n != 1 || !s.Ready() {
			t.Errorf("sent %d times, ready %t", n, s.Ready())
		}
	})
}

// TestCloseDuringHandover closes a session at each point of a handover and right after it, with an order that a loss would cancel: it is
// kept, for both connections are logged out.
func TestCloseDuringHandover(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"public/auth", "public/subscribe", "public/test", "the handover"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reached := make(chan struct{}, 64)
				var conns atomic.Uint64
				_, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, OnFrame: func(f deribittest.Frame) {
					if f.Incoming && f.Method == after && f.Conn > conns.Load() {
						select {
						case reached <- struct{}{}:
						default:
						}
					}
				}})
				witness := dial(t, cfg)
				cfg.CancelOnDisconnect = true
				s, err := session.Dial(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				subscribeTo(t, s, "ticker.BTC-PERPETUAL.100ms")
				if err := s.Call(t.Context(), "private/buy", order("kept"), nil); err != nil {
					t.Fatal(err)
				}
				conns.Store(1)
				for len(reached) > 0 {
					<-reached
				}
				var reconnecting sync.WaitGroup
				reconnecting.Go(func() {
					err := s.Reconnect(t.Context())
					if after == "the handover" && err == nil {
						reached <- struct{}{}
					}
					if err != nil && !errors.Is(err, session.ErrClosed) {
						t.Errorf("Reconnect = %v, want ErrClosed or a connection that has taken over", err)
					}
				})
				<-reached
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				reconnecting.Wait()
				synctest.Wait()
				if got := openOrders(t, witness); !slices.Equal(got, []string{"kept"}) {
					t.Errorf("open orders %q", got)
				}
			})
		})
	}
}

// TestHandoverOfANamedSession keeps the tokens of the exchange's session, which both connections share, at the logout of the old one.
func TestHandoverOfANamedSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		cfg.Scope = "session:md account:read_write trade:read_write"
		watch := &recorder{}
		cfg.Observer = watch
		s := dial(t, cfg)
		for range 3 {
			if err := s.Reconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Call(t.Context(), "private/get_open_orders", nil, nil); err != nil {
				t.Error(err)
			}
		}
		if watch.resent != 0 {
			t.Errorf("%d calls were refused: the logout has ended the tokens", watch.resent)
		}
	})
}

// TestSubscriptionsDuringHandover opens and closes subscriptions while one connection follows another: none is lost, and nothing is
// subscribed to for nobody.
func TestSubscriptionsDuringHandover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: 10 * time.Millisecond})
		s := dial(t, cfg)
		var wg sync.WaitGroup
		var subs [8]*session.Subscription
		for i := range subs {
			wg.Go(func() {
				name := fmt.Sprintf("book.BTC-PERPETUAL.none.%d.100ms", []int{1, 10, 20}[i%3])
				if i%2 == 0 {
					name = "ticker.ETH-PERPETUAL.raw"
				}
				for range 5 {
					sub := subscribe(t, s, session.SubscribeConfig{Policy: session.Conflate}, name)
					if _, err := receive(t, sub); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if err := sub.Close(t.Context()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				subs[i] = subscribe(t, s, session.SubscribeConfig{Policy: session.Conflate}, name)
			})
		}
		for range 10 {
			if err := s.Reconnect(t.Context()); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Error(err)
		}
		for _, sub := range subs {
			if _, err := receive(t, sub); err != nil {
				t.Errorf("%v: %v", sub.Channels(), err)
			}
			if err := sub.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		before := server.PublishedAll()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		if after := server.PublishedAll(); !mapsEqual(before, after) {
			t.Error("the exchange still publishes to the session")
		}
	})
}

func mapsEqual(a, b map[string]uint64) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TestHandoverOfABrokenBook hands over while a book waits for its snapshot: the next connection's own mends it.
func TestHandoverOfABrokenBook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/subscribe": func(p *peer, r request) {
			p.comply(r)
			if p.number == 2 {
				p.notify("book.A.raw", `{"type":"snapshot","change_id":9}`)
			}
		}}
		s := dial(t, scripted(f))
		sub := subscribeTo(t, s, "book.A.raw")
		p := f.last()
		p.notify("book.A.raw", `{"type":"snapshot","change_id":5}`)
		p.notify("book.A.raw", `{"type":"change","change_id":7,"prev_change_id":6}`)
		synctest.Wait()
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the answer is there, but the snapshot behind it may not have left yet
		f.last().notify("book.A.raw", `{"type":"change","change_id":10,"prev_change_id":9}`)
		synctest.Wait()
		wantEntries(t, waiting(t, sub),
			`{"type":"snapshot","change_id":5} sequence/0 {"type":"snapshot","change_id":9} {"type":"change","change_id":10,"prev_change_id":9}`)
	})
}

// TestHandoverDuringARotation logs the next connection in with the old secret, while the old connection takes the new one: the session
// does not go back to the old generation.
func TestHandoverDuringARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold, held := make(chan struct{}), make(chan struct{})
		f := newFar(t, script{"public/subscribe": func(p *peer, r request) {
			if p.number == 2 {
				close(held)
				<-hold
			}
			p.comply(r)
		}})
		cfg := scripted(f)
		source := &turning{generation: 1}
		cfg.Credentials = source
		s := dial(t, cfg)
		subscribeTo(t, s, "ticker.A")
		var reconnecting sync.WaitGroup
		reconnecting.Go(func() {
			if err := s.Reconnect(t.Context()); err != nil {
				t.Error(err)
			}
		})
		<-held
		source.set(2)
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Error(err)
		}
		close(hold)
		reconnecting.Wait()
		synctest.Wait()
		if g := s.Generation(); g != 2 || s.Stats().Epoch != 2 {
			t.Errorf("generation %d over connection %d, want the second of the second", g, s.Stats().Epoch)
		}
	})
}

// turning is a source whose secret is turned by the test.
type turning struct {
	mu         sync.Mutex // protects generation
	generation uint64
}

func (c *turning) set(generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation = generation
}

// Credentials implements session.CredentialSource.
func (c *turning) Credentials(context.Context) (session.Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return session.Credentials{ClientID: "id", Secret: session.NewSecret([]byte(canary)), Generation: c.generation}, nil
}
