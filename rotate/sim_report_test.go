package rotate_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// add adds a world.
func (t *simTally) add(seed uint64, w *sim) {
	t.merge(w.tally)
	if t.seeds == 0 || w.faults.total < t.fewest {
		t.fewest = w.faults.total
	}
	t.seeds++
	t.steps += w.steps
	for i, n := range w.faults.fired {
		t.faults[i] += n
	}
	if !w.deaf() {
		t.refusedLogins = max(t.refusedLogins, w.exchange.refusedInAnHour())
	}
	switch {
	case len(w.broken) > 0:
		t.broken[seed] = strings.Join(w.broken, "; ")
	case w.settled():
		t.settling[min(int((w.now-w.stopped)/(10*time.Second)), len(t.settling)-1)]++
	default:
		t.hopeless++
	}
}

// merge adds another tally.
func (t *simTally) merge(other *simTally) {
	if t.seeds == 0 || other.seeds > 0 && other.fewest < t.fewest {
		t.fewest = other.fewest
	}
	t.seeds += other.seeds
	t.rotations += other.rotations
	t.steps += other.steps
	t.hopeless += other.hopeless
	t.refusedLogins = max(t.refusedLogins, other.refusedLogins)
	addAll(t.faults[:], other.faults[:])
	addAll(t.transitions[:], other.transitions[:])
	addAll(t.failures[:], other.failures[:])
	addAll(t.ends[:], other.ends[:])
	addAll(t.settling[:], other.settling[:])
	for why, n := range other.lockouts {
		t.lockouts[why] += n
	}
	maps.Copy(t.broken, other.broken)
}

func addAll(to, from []int) {
	for i, n := range from {
		to[i] += n
	}
}

// judge sees that the simulation has shown what it is for.
func (t *simTally) judge(tb testing.TB) {
	tb.Helper()
	if t.fewest == 0 {
		tb.Error("a world had no fault")
	}
	if t.refusedLogins > simRefusals {
		tb.Errorf("rotations were refused %d logins within an hour", t.refusedLogins)
	}
	least := 0
	if t.seeds >= simMuch {
		least = 100
	}
	for number, times := range t.transitions {
		if number > 0 && times < least {
			tb.Errorf("T%d was met %d times", number, times)
		}
	}
	for number, times := range t.failures {
		if _, excused := simUnreachable[number]; number > 0 && !excused && times < least {
			tb.Errorf("F%d was met %d times", number, times)
		}
	}
	for kind, times := range t.faults {
		if times < least {
			tb.Errorf("the fault %q has fired %d times", simFaultTable[kind].name, times)
		}
	}
}

// String is a page.
func (t *simTally) String() string {
	var page strings.Builder
	total := 0
	for _, n := range t.faults {
		total += n
	}
	fmt.Fprintf(&page, "%d seeds, %d faults (at least %d in each), %d rotations, %d steps", t.seeds, total, t.fewest, t.rotations, t.steps)
	fmt.Fprintf(&page, "\nlocked out %v, %d worlds for good; refused logins in an hour: at most %d", t.lockouts, t.hopeless, t.refusedLogins)
	fmt.Fprintf(&page, "\nsettled after 0, 10, 20... s: %v", t.settling)
	page.WriteString("\ntransitions:")
	for number, n := range t.transitions {
		if number > 0 {
			fmt.Fprintf(&page, " T%d %d", number, n)
		}
	}
	page.WriteString("\nfailures:")
	for number, n := range t.failures {
		if why, excused := simUnreachable[number]; excused {
			fmt.Fprintf(&page, " F%d (%s)", number, why)
		} else if number > 0 {
			fmt.Fprintf(&page, " F%d %d", number, n)
		}
	}
	page.WriteString("\nfaults:")
	for kind, n := range t.faults {
		fmt.Fprintf(&page, " %s %d,", simFaultTable[kind].name, n)
	}
	return page.String()
}
