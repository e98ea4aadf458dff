package crashtest_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// tally counts how cases ended.
type tally struct {
	mu                        sync.Mutex // protects the fields below
	ends                      map[end]int
	byPoint, byBoot, byServer map[string]int // the killed
	skipped                   map[string]int // by point, those that did not come by
}

func newTally() *tally {
	return &tally{
		ends: map[end]int{}, byPoint: map[string]int{}, byBoot: map[string]int{}, byServer: map[string]int{}, skipped: map[string]int{},
	}
}

func (c *tally) add(s scenario, e end) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[e]++
	if e == notReached {
		c.skipped[s.point.String()]++
		return
	}
	c.byPoint[s.point.String()]++
	c.byBoot[boots[s.boot].name]++
	c.byServer[s.profile.String()]++
}

// killed is how many processes were.
func (c *tally) killed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends[recovered] + c.ends[lockedOut] + c.ends[failed]
}

// enough is how many processes must have been killed for every point to be reached.
const enough = 1000

// judge fails the test if fewer were killed than was wanted, unless no cases are left, or if a point was not reached by so many.
func (c *tally) judge(t *testing.T, wanted, left int) {
	t.Helper()
	exhausted := left == 0
	if n := c.killed(); n == 0 || n < wanted && !exhausted {
		t.Errorf("%d processes were killed, and %d were wanted", n, wanted)
	}
	if wanted < enough && !exhausted {
		return
	}
	for _, p := range points() {
		if c.byPoint[p.String()] == 0 {
			t.Errorf("never reached: %s, in %d cases", p, c.skipped[p.String()])
		}
	}
}

func (c *tally) print(t *testing.T, took time.Duration) {
	t.Helper()
	t.Logf("%d processes killed in %.0f s: %d recovered, %d failed, %d locked out as documented; %d lived, for they did not come by",
		c.killed(), took.Seconds(), c.ends[recovered], c.ends[failed], c.ends[lockedOut], c.ends[notReached])
	for _, counts := range []map[string]int{c.byPoint, c.byBoot, c.byServer} {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%5d  %s", counts[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.skipped)) {
		if c.byPoint[name] == 0 {
			t.Logf("never reached: %s (%d cases)", name, c.skipped[name])
		}
	}
}
