package deribittest_test

import (
	"context"
	"slices"
	"strconv"
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
				if _, err := c.Subscribe(t.Context(), session.SubscribeConfig{}, "user.orders.any.any.raw", raw); err != nil {
					t.Fatal(err)
				}
				answered := 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; pass(500 * time.Millisecond) {
					s.Tick()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if _, err := c.CallRaw(ctx, "private/get_positions", nil, nil); err == nil {
						answered++
					}
					cancel()
				}
				st := s.Stats()
				if len(st.Faults) != 11 || answered < 100 {
					t.Errorf("%d calls answered; faults %v", answered, st.Faults)
				}
				_ = c.Close(t.Context()) // its connection may be stalled
			})
		})
	}
}
