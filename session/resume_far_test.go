package session_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestResumeOfFiveThousandChannels cuts a session far from the exchange, which counts credits: the first private channel is back within
// two round trips of the authentication, and all are one round trip after what the credits allow, for a credit is surely counted when
// its request is answered: 1.2 times that, up to 75 ms away. No request is one too many.
func TestResumeOfFiveThousandChannels(t *testing.T) {
	t.Parallel()
	const many = 5_000
	for name, c := range map[string]struct {
		roundTrip time.Duration
		exclusive bool
		burst     int // requests at once, and then one each interval
		interval  time.Duration
	}{
		"all credits, near":       {time.Millisecond, true, 10, 300 * time.Millisecond},
		"all credits, far":        {75 * time.Millisecond, true, 10, 300 * time.Millisecond},
		"all credits, very far":   {250 * time.Millisecond, true, 10, 300 * time.Millisecond},
		"some are left, near":     {time.Millisecond, false, 8, 310 * time.Millisecond},
		"some are left, far":      {75 * time.Millisecond, false, 8, 310 * time.Millisecond},
		"some are left, very far": {250 * time.Millisecond, false, 8, 310 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, Strikes: 28, Limits: &deribittest.Limits{}})
				near := cfg.NetDial
				cfg.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := near(ctx, network, addr)
					return exchangetest.Away(conn, c.roundTrip), err
				}
				cfg.Limits = &session.Limits{Exclusive: c.exclusive}
				watch := &stopwatch{}
				cfg.Observer, cfg.CancelOnDisconnect = watch, true
				s := dial(t, cfg)
				privates, publics := channelsToResume(t, s, 10, many-10)
				subscribe(t, s, session.SubscribeConfig{}, privates...)
				subscribe(t, s, session.SubscribeConfig{}, publics...)
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time: credits come back
				for round := range 3 {
					server.CutConnections()
					synctest.Wait()
					if err := s.WaitReady(t.Context()); err != nil {
						t.Fatal(err)
					}
					frames := watch.count("public/subscribe") + watch.count("private/subscribe")
					allowed := time.Duration(frames-c.burst)*c.interval + c.roundTrip
					private := watch.since("private/subscribe")
					all, confirmed := watch.resume()
					t.Logf("round %d: %d requests, private after %v, all after %v, allowed %v", round, frames, private, all, allowed)
					isFar := c.roundTrip > 75*time.Millisecond
					if private > 2*c.roundTrip || all > allowed+c.roundTrip || !isFar && all > allowed*6/5 {
						t.Errorf("private channels after %v of %v, all after %v of %v", private, 2*c.roundTrip, all, allowed)
					}
					if confirmed != many || frames != 11 {
						t.Errorf("%d channels in %d requests", confirmed, frames)
					}
					time.Sleep(4 * time.Second) //nolint:forbidigo // virtual time
				}
				if n := server.Stats().RateLimited; n != 0 {
					t.Errorf("%d requests were too many", n)
				}
			})
		})
	}
}

// channelsToResume makes up channels of all instruments.
func channelsToResume(t *testing.T, s *session.Session, private, public int) (privates, publics []string) {
	t.Helper()
	instruments, err := rpc.Call[[]struct {
		Name string `json:"instrument_name"`
	}](t.Context(), s, "public/get_instruments", map[string]string{"currency": "any"})
	if err != nil {
		t.Fatal(err)
	}
	shapes := []string{"ticker.%s.raw", "ticker.%s.100ms", "book.%s.raw", "book.%s.100ms", "trades.%s.raw", "trades.%s.100ms", "quote.%s", "incremental_ticker.%s"}
	for _, resolution := range []string{"1", "3", "5", "10", "15", "30", "60", "120", "180", "240", "D", "W", "M"} {
		shapes = append(shapes, "chart.trades.%s."+resolution)
	}
	for _, depth := range []string{"1", "10", "20"} {
		shapes = append(shapes, "book.%s.none."+depth+".100ms")
	}
	for _, shape := range shapes {
		for _, in := range instruments {
			publics = append(publics, fmt.Sprintf(shape, in.Name))
		}
	}
	for _, in := range instruments {
		privates = append(privates, "user.orders."+in.Name+".raw")
	}
	if len(publics) < public || len(privates) < private {
		t.Fatalf("%d and %d channels of %d instruments", len(privates), len(publics), len(instruments))
	}
	return privates[:private], publics[:public]
}

// stopwatch times the calls of a session since it was authenticated last.
type stopwatch struct {
	recorder
	mu            sync.Mutex // protects the fields below
	authenticated time.Time
	first         map[string]time.Duration
	counts        map[string]int
	took          time.Duration
	channels      int
}

func (w *stopwatch) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	return ctx, func(end session.StepEnd) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if step.Kind == session.StepAuthenticate {
			w.authenticated, w.first, w.counts = time.Now(), map[string]time.Duration{}, map[string]int{}
		}
		if step.Kind == session.StepResume {
			w.took, w.channels = time.Since(w.authenticated), end.Confirmed
		}
	}
}

func (w *stopwatch) Calls(context.Context, session.Step) rpc.Observer { return w }

func (w *stopwatch) CallStart(ctx context.Context, _ rpc.CallInfo) context.Context { return ctx }

func (w *stopwatch) CallEnd(_ context.Context, call rpc.CallInfo, _ rpc.CallEnd) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.authenticated.IsZero() {
		return
	}
	if w.counts[call.Method]++; w.counts[call.Method] == 1 {
		w.first[call.Method] = time.Since(w.authenticated)
	}
}

func (w *stopwatch) Stray(rpc.Stray) {}

func (w *stopwatch) count(method string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[method]
}

func (w *stopwatch) since(method string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first[method]
}

// resume is the last one.
func (w *stopwatch) resume() (took time.Duration, confirmed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.took, w.channels
}
