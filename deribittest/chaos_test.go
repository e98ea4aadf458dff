package deribittest_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

// One seed is one schedule, another seed another; the faults keep their distance, and each kind comes.
func TestChaosSchedule(t *testing.T) {
	t.Parallel()
	const n = 1000
	plan := deribittest.Chaos{Seed: 1}.Planned(n)
	if again := (deribittest.Chaos{Seed: 1}).Planned(n); !slices.Equal(plan, again) {
		t.Error("one seed, two schedules")
	}
	if other := (deribittest.Chaos{Seed: 2}).Planned(n); slices.Equal(plan, other) {
		t.Error("two seeds, one schedule")
	}
	kinds := map[deribittest.FaultKind]int{}
	var last time.Duration
	for _, p := range plan {
		if wait := p.At - last; wait < 500*time.Millisecond || wait > 1500*time.Millisecond+time.Millisecond {
			t.Errorf("%v after %v", p.Fault, wait)
		}
		last = p.At
		kinds[p.Fault.Kind]++
	}
	if len(kinds) != 11 {
		t.Errorf("kinds that came: %v", kinds)
	}
	for _, p := range (deribittest.Chaos{Kinds: []deribittest.FaultKind{deribittest.Cut}, Every: time.Minute}).Planned(n) {
		if p.Fault.Kind != deribittest.Cut {
			t.Fatalf("%v was not asked for", p.Fault)
		}
	}
}

// What is planned happens, to the connection that is chosen by its age; it is told and counted. Without connections nothing
// happens.
func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chaos := deribittest.Chaos{Seed: 3, Kinds: []deribittest.FaultKind{
			deribittest.Stall, deribittest.SkewClock, deribittest.Segment,
		}}
		type happened struct {
			at    time.Duration
			fault deribittest.Fault
		}
		start := time.Now()
		var told []happened
		s, l := memoryServer(t, deribittest.Config{Chaos: &chaos, OnFault: func(f deribittest.Fault) {
			told = append(told, happened{time.Since(start), f})
		}})
		plan := chaos.Planned(30)
		half := len(plan) / 2
		pass(plan[half].At - 1)
		if synctest.Wait(); len(told) > 0 {
			t.Errorf("without connections: %v", told)
		}
		for range 3 {
			dialMemory(t, s, l)
		}
		pass(plan[len(plan)-1].At - plan[half].At + 1)
		synctest.Wait()
		stalled := map[uint64]time.Duration{} // until when
		var want []happened
		for _, p := range plan[half:] {
			f := p.Fault
			if f.Kind != deribittest.SkewClock {
				f.Conn = 1 + p.Pick%3
			}
			if f.Kind == deribittest.Stall {
				if p.At < stalled[f.Conn] {
					continue // it is stalled already
				}
				if stalled[f.Conn] = p.At + f.For; f.For == 0 {
					stalled[f.Conn] = time.Hour
				}
			}
			want = append(want, happened{p.At, f})
		}
		if !slices.Equal(told, want) {
			t.Errorf("told\n%v\nwant\n%v", told, want)
		}
		total := uint64(0)
		for _, n := range s.Stats().Faults {
			total += n
		}
		if total != uint64(len(want)) {
			t.Errorf("counted %v, want %d", s.Stats().Faults, len(want))
		}
	})
}

// Faults that wait for a request of a connection end with it.
func TestFaultsEndWithTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		first := dialMemory(t, s, l)
		for range 100 {
			s.Inject(deribittest.Fault{Kind: deribittest.LoseReply, Conn: 1})
		}
		s.Inject(deribittest.Fault{Kind: deribittest.Cut})
		first.closed()
		if got := s.FaultsWaiting(); got != 0 {
			t.Errorf("%d faults wait for a connection that is gone", got)
		}
	})
}

func TestFaultString(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]deribittest.Fault{
		"cut on connection 3":                                {Kind: deribittest.Cut, Conn: 3},
		"stall on connection 3 for good":                     {Kind: deribittest.Stall, Conn: 3},
		"stall for 2s":                                       {Kind: deribittest.Stall, For: 2 * time.Second},
		"delay-reply of private/buy on connection 1 for 5ms": {Kind: deribittest.DelayReply, Conn: 1, Method: "private/buy", For: 5 * time.Millisecond},
		"skew-clock by -20s":                                 {Kind: deribittest.SkewClock, For: -20 * time.Second},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A session's ten minutes in chaos: each kind of fault befalls it, and the end of the server leaves nothing behind.
func TestSessionInChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the bubble fails on what is left running
				s, l := memoryServer(t, deribittest.Config{Chaos: &deribittest.Chaos{Seed: seed, Every: 2 * time.Second}})
				k := s.AddKey(deribittest.KeyConfig{})
				c, err := session.Dial(t.Context(), session.Config{
					URL: s.URL(), NetDial: l.DialContext,
					Credentials: session.Credentials{ClientID: k.ClientID, Secret: session.NewSecret([]byte(k.Secret))},
				})
				if err != nil {
					t.Fatal(err)
				}
				const orders = "user.orders.any.any.raw"
				sub, err := c.Subscribe(t.Context(), session.SubscribeConfig{Buffer: 1 << 14}, orders, raw)
				if err != nil {
					t.Fatal(err)
				}
				var followed news
				var following sync.WaitGroup
				following.Go(func() { followed.read(t, sub) })
				calls, answered := 0, 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; pass(500 * time.Millisecond) {
					calls++
					s.Tick()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if _, err := c.CallRaw(ctx, "private/get_positions", nil, nil); err == nil {
						answered++
					}
					cancel()
				}
				st := s.Stats()
				if len(st.Faults) != 11 || answered < calls/2 {
					t.Errorf("%d of %d calls answered; faults %v", answered, calls, st.Faults)
				}
				// The faults go on: between two of them all is as it should be.
				live := func() bool {
					followed.forget()
					if !c.Ready() || c.Call(t.Context(), "private/buy", map[string]any{
						"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 1000,
					}, nil) != nil {
						return false
					}
					s.Tick()
					synctest.Wait()
					return c.Ready() && followed.has(orders) && followed.has(raw)
				}
				for start := time.Now(); !live(); pass(100 * time.Millisecond) {
					if time.Since(start) > 5*time.Minute {
						t.Fatalf("%v for five minutes, without news of %s and %s: %+v", c.State(), orders, raw, c.Channels())
					}
				}
				if lost, epoch := followed.losses(), c.Stats().Epoch; epoch < 10 || lost != epoch-1 {
					t.Errorf("%d losses were told over %d connections", lost, epoch)
				}
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
				following.Wait()
			})
		})
	}
}

// news is what has come in a stream.
type news struct {
	mu   sync.Mutex // protects the fields below
	seen map[string]bool
	lost uint64 // connections, by the markers
}

// read follows a stream to its end.
func (n *news) read(t *testing.T, sub *session.Subscription) {
	t.Helper()
	for got, err := range sub.Notifications(t.Context()) {
		gap, isGap := errors.AsType[*session.GapError](err)
		if err != nil && !isGap && !errors.Is(err, session.ErrClosed) {
			t.Errorf("the stream ended: %v", err)
		}
		n.mu.Lock()
		switch {
		case isGap && gap.Reason == session.GapReconnect:
			n.lost++
		case err == nil && n.seen != nil:
			n.seen[got.Channel] = true
		}
		n.mu.Unlock()
	}
}

func (n *news) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = map[string]bool{}
}

func (n *news) has(channel string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[channel]
}

// losses is how many lost connections were told of.
func (n *news) losses() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}
