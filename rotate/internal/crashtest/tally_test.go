package crashtest_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// tally counts how cases ended.
type tally struct {
	mu                        sync.Mutex // protects the fields below
	ends                      map[strategy]map[end]int
	byPoint, byBoot, byServer map[string]int // the killed; points are of a strategy
	skipped                   map[string]int // by point, those that did not come by
}

func newTally() *tally {
	c := &tally{
		ends: map[strategy]map[end]int{}, byPoint: map[string]int{}, byBoot: map[string]int{}, byServer: map[string]int{}, skipped: map[string]int{},
	}
	for _, s := range strategies {
		c.ends[s] = map[end]int{}
	}
	return c
}

// name tells a point from that of another strategy.
func (p point) name(s strategy) string { return fmt.Sprintf("%s: %s", s, p) }

func (c *tally) add(s scenario, e end) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[s.strategy][e]++
	name := s.point.name(s.strategy)
	if e == notReached {
		c.skipped[name]++
		return
	}
	c.byPoint[name]++
	c.byBoot[boots[s.boot].name]++
	c.byServer[s.profile.String()]++
}

// killed is how many processes were.
func (c *tally) killed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return killed(c.total())
}

func killed(ends map[end]int) int { return ends[recovered] + ends[lockedOut] + ends[failed] }

func (c *tally) total() map[end]int {
	sum := map[end]int{}
	for _, ends := range c.ends {
		for e, n := range ends {
			sum[e] += n
		}
	}
	return sum
}

// enough is how many processes must have been killed for every point to be reached.
const enough = 600

// unreached are those of cases whose point was not reached yet.
func (c *tally) unreached(all []scenario) []scenario {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return c.byPoint[s.point.name(s.strategy)] > 0 })
}

// judge fails the test if fewer were killed than was wanted, unless no cases are left, or if a point of a strategy was not reached by
// so many.
func (c *tally) judge(t *testing.T, wanted, left int) {
	t.Helper()
	exhausted := left == 0
	if n := c.killed(); n == 0 || n < wanted && !exhausted {
		t.Errorf("%d processes were killed, and %d were wanted", n, wanted)
	}
	if wanted < enough && !exhausted {
		return
	}
	for _, s := range strategies {
		for _, p := range s.points() {
			if name := p.name(s); c.byPoint[name] == 0 {
				t.Errorf("never reached: %s, in %d cases", name, c.skipped[name])
			}
		}
	}
}

func (c *tally) print(t *testing.T, took time.Duration) {
	t.Helper()
	t.Logf("%d processes killed in %.0f s: %s", c.killed(), took.Seconds(), sentence(c.total()))
	for _, s := range strategies {
		t.Logf("%5d  %s: %s", killed(c.ends[s]), s, sentence(c.ends[s]))
	}
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

func sentence(ends map[end]int) string {
	return fmt.Sprintf("%d recovered, %d failed, %d locked out as documented; %d lived, for they did not come by",
		ends[recovered], ends[failed], ends[lockedOut], ends[notReached])
}
