package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// asked are the flags of the modes.
type asked struct {
	sessions, subscribed int
	reset                deribittest.ResetProfile

	rotations count
	orders    orders
	trade     bool
	durable   bool
	dir       string

	calls, cut count
	callers    int

	reconnects    count
	subscriptions int

	span time.Duration // of -slow and of -pair
	stop bool
	slow slow
	cuts bool

	handovers count

	losses, messages count
	seed             uint64
}

func newAsked(flags *flag.FlagSet) *asked {
	a := &asked{}
	flags.Var(&a.rotations, "rotations", "rotate so often, and look at what is left behind")
	flags.IntVar(&a.sessions, "sessions", 16, "sessions that share the key")
	flags.IntVar(&a.subscribed, "subscribed", 0,
		"of them with channels: each costs 310 ms in each rotation, for credits pace the verification")
	flags.TextVar(&a.reset, "behaviour", deribittest.ResetProfile{},
		"what a reset does to what the key had authenticated: the words of a deribittest.ResetProfile")
	flags.BoolVar(&a.trade, "orders", false, "order all the time, with rotations and without")
	flags.IntVar(&a.orders.Turns, "turns", 10, "with -orders: turns, each of a chunk with rotations and two without, which alternate")
	flags.DurationVar(&a.orders.For, "chunk", 10*time.Second, "with -orders: a chunk")
	flags.DurationVar(&a.orders.Stagger, "stagger", 0, "with -orders: from one session to the next; 0 is the rotator's default, below 0 none")
	flags.IntVar(&a.orders.Rate, "rate", 1000, "with -orders: orders a second")
	flags.BoolVar(&a.durable, "durable", false, "rotate 2,000 times, and time until each secret is on disk")
	flags.StringVar(&a.dir, "dir", "", "with -durable: where the store's file is, a disk; empty is the system's directory of temporary files")
	a.cut = 2000
	flags.Var(&a.calls, "calls", "call so often, while the connection breaks")
	flags.Var(&a.cut, "cut", "with -calls: about how many calls a connection lives")
	flags.IntVar(&a.callers, "callers", 64, "with -calls: goroutines that call")
	flags.Var(&a.reconnects, "reconnects", "cut connections so often, those of all sessions together")
	flags.IntVar(&a.subscriptions, "subscriptions", 100, "with -reconnects: subscriptions of each session")
	flags.BoolVar(&a.stop, "slow", false, "stop a consumer of a busy session")
	flags.BoolVar(&a.cuts, "pair", false, "cut one of the two connections of a redundant pair every second, either of them")
	flags.DurationVar(&a.span, "for", time.Minute, "with -slow: how long it stands still; with -pair: how long connections are cut")
	flags.IntVar(&a.slow.Rate, "notifications", 50_000, "with -slow: notifications a second")
	a.slow.Calls = 1000
	flags.Var(&a.handovers, "handovers", "replace the connection of a working session so often, while callers order and streams are listened to")
	flags.Var(&a.losses, "losses", "have so many faults of all kinds hit connections, and hold each stream against what the exchange published")
	a.messages = 1e6
	flags.Var(&a.messages, "messages", "with -losses: notifications that the exchange publishes meanwhile")
	flags.Uint64Var(&a.seed, "seed", 1, "with -losses: determines which faults come, and when")
	return a
}

// check refuses what no run can be made of.
func (a *asked) check() error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"sessions", a.sessions},
		{"turns", a.orders.Turns},
		{"chunk", int(a.orders.For)},
		{"rate", a.orders.Rate},
		{"cut", int(a.cut)},
		{"callers", a.callers},
		{"subscriptions", a.subscriptions},
		{"for", int(a.span)},
		{"notifications", a.slow.Rate},
		{"messages", int(a.messages)},
	} {
		if f.value < 1 {
			return fmt.Errorf("-%s: must be above 0", f.name)
		}
	}
	if a.subscribed < 0 || a.subscribed > a.sessions {
		return fmt.Errorf("-subscribed: must be between 0 and %d, the number of sessions", a.sessions)
	}
	return nil
}

// modes are the runs that the flags ask for.
func (a *asked) modes() (all []mode) {
	if a.rotations > 0 {
		all = append(all, rotations{Count: int(a.rotations), Sessions: a.sessions, Subscribed: a.subscribed, Reset: a.reset})
	}
	if a.trade {
		a.orders.Sessions, a.orders.Reset = a.sessions, a.reset
		all = append(all, a.orders)
	}
	if a.durable {
		all = append(all, durable{Count: 2000, Dir: a.dir})
	}
	if a.calls > 0 {
		all = append(all, calls{Count: int(a.calls), Cut: int(a.cut), Callers: a.callers})
	}
	if a.reconnects > 0 {
		all = append(all, reconnects{Count: int(a.reconnects), Sessions: a.sessions, Subscriptions: a.subscriptions})
	}
	if a.stop {
		a.slow.For = a.span
		all = append(all, a.slow)
	}
	if a.cuts {
		all = append(all, pair{For: a.span})
	}
	if a.handovers > 0 {
		all = append(all, handovers{Count: int(a.handovers), Traders: 8})
	}
	if a.losses > 0 {
		all = append(all, losses{Count: int(a.losses), Messages: int(a.messages), Sessions: 4, Seed: a.seed})
	}
	return all
}
