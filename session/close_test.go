package session_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// order is a resting order: far from the market, so that nothing but a cancel ends it.
func order(label string) map[string]any {
	return map[string]any{"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 1000, "label": label}
}

func openOrders(t *testing.T, s *session.Session) []string {
	t.Helper()
	var orders []struct {
		Label string `json:"label"`
	}
	if err := s.Call(t.Context(), "private/get_open_orders", nil, &orders); err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, o := range orders {
		labels = append(labels, o.Label)
	}
	return labels
}

// TestCloseLogsOut closes and reconnects a session whose loss would cancel its orders: they survive both, for it logs out.
// A loss cancels them.
// Asks: deribit-v2-ws#16, deribit-api-clients#35.
func TestCloseLogsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1})
		watch := &reasons{}
		cfg.Observer = watch
		witness := dial(t, cfg)
		defer func() {
			if t.Failed() {
				t.Logf("the witness had %d connections, and lost the last by: %v", witness.Stats().Epoch, watch.of(session.Backoff))
			}
		}()
		cfg.Observer, cfg.CancelOnDisconnect = nil, true
		s, err := session.Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Call(t.Context(), "private/buy", order("kept"), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEntries(t, openOrders(t, witness), "kept")
		if err := s.Call(t.Context(), "private/buy", order("kept too"), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := openOrders(t, witness); len(got) != 2 {
			t.Errorf("after Close the open orders are %q, want both", got)
		}
		if n := server.Stats().Calls["private/logout"]; n != 2 {
			t.Errorf("%d logouts, want one for the reconnect and one for the close", n)
		}

		lossy := dial(t, cfg)
		if err := lossy.Call(t.Context(), "private/sell", map[string]any{
			"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 900000, "label": "lost",
		}, nil); err != nil {
			t.Fatal(err)
		}
		server.CutConnections()
		synctest.Wait() // until both sessions have seen it
		if err := witness.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := openOrders(t, witness); len(got) != 2 {
			t.Errorf("after a loss the open orders are %q: cancel on disconnect was not set", got)
		}
	})
}

// TestI11NothingLeftBehind opens and closes sessions in every condition. The bubble proves it: it fails if any goroutine
// that was started in it is left at its end, and so does the package.
func TestI11NothingLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: 10 * time.Millisecond})
		for i := range 10 {
			s, err := session.Dial(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			sub := subscribe(t, s, session.SubscribeConfig{}, "book.BTC-PERPETUAL.raw", "user.orders.any.any.raw")
			if _, err := receive(t, sub); err != nil {
				t.Fatal(err)
			}
			switch i % 3 {
			case 1:
				server.CutConnections()
			case 2:
				if err := s.Reauthenticate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
			<-s.Done()
			if !errors.Is(s.Err(), session.ErrClosed) || !errors.Is(sub.Err(), session.ErrClosed) {
				t.Errorf("the session ended with %v, its subscription with %v", s.Err(), sub.Err())
			}
		}
		synctest.Wait()
		if n := server.Stats().OpenConnections; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// TestCloseOfAHangingPeer has a peer that does not take leave, and one that does not even read.
func TestCloseOfAHangingPeer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stalled bool
		ctx     time.Duration
		want    error
		took    time.Duration
	}{
		"logout unanswered":              {false, time.Hour, nil, time.Second},
		"logout unanswered, little time": {false, 100 * time.Millisecond, context.DeadlineExceeded, 100 * time.Millisecond},
		"nothing is read":                {true, time.Hour, nil, time.Second},
		"nothing is read, little time":   {true, 100 * time.Millisecond, context.DeadlineExceeded, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, script{"private/logout": silent})
				s := dial(t, scripted(f))
				f.last().stalled.Store(c.stalled)
				ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
				defer cancel()
				start := time.Now()
				err := s.Close(ctx)
				if took := time.Since(start); !errors.Is(err, c.want) || took != c.took {
					t.Errorf("Close = %v after %v, want %v after %v", err, took, c.want, c.took)
				}
				if !errors.Is(s.Err(), session.ErrClosed) || s.State() != session.Closed {
					t.Errorf("ended with %v in state %v", s.Err(), s.State())
				}
			})
		})
	}
}

// TestCloseAtAnyTime closes a session that is not ready, for something keeps its second connection from it.
func TestCloseAtAnyTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hinder func(f *far, ring *keyring)
		state  session.State
	}{
		"while dialling":        {func(f *far, _ *keyring) { f.hang.Store(true) }, session.Connecting},
		"while authenticating":  {func(f *far, _ *keyring) { f.script = script{"public/auth": silent} }, session.Authenticating},
		"while a source blocks": {func(_ *far, ring *keyring) { ring.shut() }, session.Authenticating},
		"while resuming":        {func(f *far, _ *keyring) { f.script = script{"public/subscribe": silent} }, session.Resuming},
		"while waiting": {func(f *far, _ *keyring) {
			f.refuse = func(int) error { return io.ErrUnexpectedEOF }
		}, session.Backoff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, ring, watch := newFar(t, nil), newKeyring(), &recorder{}
				cfg := scripted(f)
				cfg.Credentials, cfg.Observer = ring, watch
				cfg.NewBackoff = func() session.Backoffer { return constantly(time.Second) }
				s, err := session.Dial(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				subscribe(t, s, session.SubscribeConfig{}, "ticker.A")
				c.hinder(f, ring)
				f.last().close()
				time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // virtual time
				if s.State() != c.state || s.Ready() {
					t.Fatalf("state %v, want %v", s.State(), c.state)
				}
				start := time.Now()
				if err := s.Close(t.Context()); err != nil || time.Since(start) != 0 {
					t.Errorf("Close = %v after %v", err, time.Since(start))
				}
				if !errors.Is(s.Err(), session.ErrClosed) {
					t.Errorf("ended with %v", s.Err())
				}
				watch.check(t)
			})
		})
	}
}

// TestCloseDuringDial closes a session whose Dial is under way, of which only an observer knows.
func TestCloseDuringDial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.hang.Store(true)
		watch := &opening{opened: make(chan *session.Session, 1)}
		cfg := scripted(f)
		cfg.Observer = watch
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := session.Dial(t.Context(), cfg); !errors.Is(err, session.ErrClosed) {
				t.Errorf("Dial = %v, want ErrClosed", err)
			}
		})
		s := <-watch.opened
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close = %v", err)
		}
		wg.Wait()
	})
}

// opening is an Observer that hands on the session.
type opening struct {
	recorder
	opened chan *session.Session
}

// Opened implements session.Observer.
func (o *opening) Opened(s *session.Session) { o.opened <- s }

// TestCloseIsIdempotent closes from many goroutines, with calls under way, and uses what is closed.
func TestCloseIsIdempotent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/hello": silent})
		s := dial(t, scripted(f))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := s.Call(t.Context(), "public/hello", nil, nil)
				if unanswered, ok := errors.AsType[*rpc.CallError](err); !ok || unanswered.Outcome != rpc.Unknown {
					t.Errorf("a call under way ended with %v", err)
				}
			})
		}
		synctest.Wait()
		for range 8 {
			wg.Go(func() {
				if err := s.Close(t.Context()); err != nil {
					t.Errorf("Close = %v", err)
				}
			})
		}
		wg.Wait()
		ended, end := context.WithCancel(t.Context())
		end()
		for range 20 { // nil is no matter of chance
			if err := s.Close(ended); err != nil {
				t.Errorf("Close of what is closed = %v", err)
			}
		}
		for what, err := range map[string]error{
			"Call":           s.Call(t.Context(), "public/test", nil, nil),
			"WaitReady":      s.WaitReady(t.Context()),
			"Reconnect":      s.Reconnect(t.Context()),
			"Reauthenticate": s.Reauthenticate(t.Context()),
			"Err":            s.Err(),
		} {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("%s after Close = %v, want ErrClosed", what, err)
			}
		}
	})
}

// TestTryCredentials tries secrets on connections of their own.
func TestTryCredentials(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1})
	key := server.AddKey(deribittest.KeyConfig{})
	cfg := session.Config{URL: server.URL()}
	if err := session.TryCredentials(t.Context(), cfg, credentials(key, 1)); err != nil {
		t.Errorf("the right secret: %v", err)
	}
	wrong := session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(canary))}
	if err := session.TryCredentials(t.Context(), cfg, wrong); !isRefused(session.CodeInvalidCredentials)(err) {
		t.Errorf("a wrong secret: %v", err)
	}
	cfg.URL = "ws://127.0.0.1:1/"
	if err := session.TryCredentials(t.Context(), cfg, wrong); err == nil || isA[*session.AuthError](err) {
		t.Errorf("without an exchange: %v, want an error that leaves it open", err)
	}
	until(t, "the connections are closed", func() bool { return server.Stats().OpenConnections == 0 })
	if n := server.Stats().Calls["private/logout"]; n != 1 {
		t.Errorf("%d logouts, want 1", n)
	}
}

// TestFullTable has an exchange answer no call of a session that may have ten pending: what keeps it alive, authenticated and from
// losing its orders leaves all the same.
func TestFullTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"public/hello": silent, "private/logout": func(p *peer, _ request) { p.close() }})
		cfg := scripted(f)
		cfg.MaxPending = 10
		s := dial(t, cfg)
		var pending []*session.Pending
		for range cfg.MaxPending {
			p, err := s.Send(t.Context(), "public/hello", nil)
			if err != nil {
				t.Fatal(err)
			}
			pending = append(pending, p)
		}
		if err := s.Call(t.Context(), "private/buy", nil, nil); !errors.Is(err, rpc.ErrTooManyPending) {
			t.Errorf("an order: %v, want ErrTooManyPending", err)
		}
		f.last().testRequest()
		synctest.Wait()
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Call(t.Context(), "private/cancel_all", nil, nil); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if tests, logouts := f.count("public/test"), f.count("private/logout"); tests != 1 || logouts != 1 {
			t.Errorf("%d answers to a test_request and %d logouts, want one of each", tests, logouts)
		}
		for _, p := range pending {
			if err := p.Wait(t.Context(), nil); !isA[*rpc.CallError](err) {
				t.Errorf("a pending call ended with %v", err)
			}
		}
	})
}
