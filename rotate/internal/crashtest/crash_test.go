package crashtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
)

var (
	wanted = flag.Int("cases", 40, "how many processes are killed; 0 is all; from 600 on every point must be reached")
	seed   = flag.Uint64("seed", 1, "chooses which")
	atOnce = flag.Int("at-once", 40, "cases at a time, which wait most of the time")
)

// scenario is a case.
type scenario struct {
	point   point
	boot    int
	profile deribittest.ResetProfile
	itself  bool // the key is its own authority, by its sessions or a rescue token; another key is if not
	strategy
}

func (s scenario) String() string {
	authority := "admin"
	if s.itself {
		authority = "itself"
	}
	return fmt.Sprintf("%s / %s / %s / %s / %s", s.strategy, s.point, boots[s.boot].name, s.profile, authority)
}

// scenarios are all cases, in an order that comes by every point of every strategy soon.
func scenarios(rng *rand.Rand) []scenario {
	var byPoint [][]scenario
	most := 0
	for _, s := range strategies {
		for _, p := range s.points() {
			here := s.scenariosAt(p)
			rng.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
			byPoint = append(byPoint, here)
			most = max(most, len(here))
		}
	}
	rng.Shuffle(len(byPoint), func(i, j int) { byPoint[i], byPoint[j] = byPoint[j], byPoint[i] })
	var all []scenario
	for i := range most {
		for _, here := range byPoint {
			if i < len(here) {
				all = append(all, here[i])
			}
		}
	}
	return all
}

// scenariosAt are all cases with a point. A key has authority over itself where an exchange keeps tokens, and answers the one who resets
// their own key.
func (s strategy) scenariosAt(p point) []scenario {
	var here []scenario
	for b := range boots {
		if !boots[b].isOf(s) {
			continue
		}
		for profile := range deribittest.ResetProfiles() {
			if !p.isOfRescue() {
				here = append(here, scenario{p, b, profile, false, s})
			}
			if !profile.TokensRevoked && profile.Connections != deribittest.ConnectionsClosedBeforeReply {
				here = append(here, scenario{p, b, profile, true, s})
			}
		}
	}
	return here
}

// TestKill9 kills processes that recover and rotate, and has others take over: at the end the exchange, the store and the sessions
// have one key and one secret, and it can be rotated.
func TestKill9(t *testing.T) {
	all := scenarios(rand.New(rand.NewPCG(*seed, 0)))
	if *wanted <= 0 {
		*wanted = len(all)
	}
	began := time.Now()
	totals := newTally()
	for len(all) > 0 && totals.killed() < *wanted { // those who live, for they do not come by their point, are not counted
		n := min(*wanted-totals.killed(), len(all))
		totals.runAll(t, all[:n])
		all = all[n:]
	}
	for rest := totals.unreached(all); *wanted >= enough && len(rest) > 0; rest = totals.unreached(rest) {
		n := min(*atOnce, len(rest))
		totals.runAll(t, rest[:n])
		rest = rest[n:]
	}
	totals.print(t, time.Since(began))
	totals.judge(t, *wanted, len(all))
}

// runAll runs cases, some at a time.
func (c *tally) runAll(t *testing.T, all []scenario) {
	t.Helper()
	queue := make(chan scenario)
	var workers sync.WaitGroup
	for range min(*atOnce, len(all)) {
		workers.Go(func() {
			for s := range queue {
				c.add(s, run(t, s))
			}
		})
	}
	for _, s := range all {
		queue <- s
	}
	close(queue)
	workers.Wait()
}

// run runs a case.
func run(t *testing.T, s scenario) end {
	t.Helper()
	w := &world{t: t, scenario: s}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.open(); err != nil {
		return w.errorf("exchange: %v", err)
	}
	defer func() {
		if err := w.server.Close(); err != nil {
			w.errorf("%v", err)
		}
	}()
	if err := w.prepare(ctx, boots[s.boot]); err != nil {
		return w.errorf("boot: %v", err)
	}
	stop := w.poll(ctx)
	result := w.lives(ctx)
	stop()
	w.keepsSecrets()
	return result
}

// lives has one process die, and another recover.
func (w *world) lives(ctx context.Context) end {
	result := recovered
	if _, err := w.process(ctx); err == nil {
		result = notReached
	} else if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() {
		return w.errorf("the process was not killed: %v", err)
	}
	if err := w.quiet(ctx); err != nil {
		return w.errorf("connections of the dead: %v", err)
	}
	left, err := w.store.Load(ctx)
	if err != nil {
		return w.errorf("after the crash: %v", err)
	}
	known, err := w.known(ctx, left)
	if err != nil {
		return w.errorf("after the crash: %v", err)
	}
	if !known && result == recovered && !w.scenario.mayBeUnknown() {
		return w.errorf("the exchange takes no secret of any store")
	}
	if err := w.age(ctx, left); err != nil {
		return w.errorf("after the crash: %v", err)
	}
	w.job.Kill = nil
	did, err := w.successor(ctx)
	if did.LockedOut && !known && w.mayBeLost(ctx) {
		return lockedOut
	}
	if err != nil {
		return w.errorf("recovery: %v", err)
	}
	if known && did.Resets > 0 {
		return w.errorf("%d resets, although the secret was stored", did.Resets)
	}
	if err := w.agree(ctx, left); err != nil {
		return w.errorf("%v", err)
	}
	return result
}

// end is how a case ended.
type end int

const (
	failed end = iota
	notReached
	lockedOut
	recovered
)

// mayBeUnknown reports whether the dead can have had an exchange's answer that was not stored. Replace ends no secret that is in use.
func (s scenario) mayBeUnknown() bool {
	resets := s.strategy == resetInPlace || boots[s.boot].done == resetMethod
	return resets && !s.point.isPastStore()
}
