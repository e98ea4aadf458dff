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

func (c *tally) print(t *testing.T, took time.Duration) {
	t.Helper()
	killed := c.ends[recovered] + c.ends[lockedOut] + c.ends[failed]
	t.Logf("%d processes killed in %.0f s: %d recovered, %d failed, %d locked out as documented; %d lived, for they did not come by",
		killed, took.Seconds(), c.ends[recovered], c.ends[failed], c.ends[lockedOut], c.ends[notReached])
	if killed == 0 {
		t.Error("nobody was killed")
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
