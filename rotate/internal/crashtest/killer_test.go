package crashtest_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
)

// point is where a process dies: the nth time that it comes by.
type point struct {
	Name string
	N    int
}

func (p point) String() string { return fmt.Sprintf("%s#%d", p.Name, p.N) }

// points are all of them.
func points() []point {
	var all []point
	add := func(times int, names ...string) {
		for _, name := range names {
			for n := range times {
				all = append(all, point{name, n + 1})
			}
		}
	}
	for _, step := range []string{"lease", "preflight", "intent", "reset", "store", "verify", "publish", "reauthenticate"} {
		add(1, "step begins: "+step, "step ends: "+step)
	}
	for _, save := range []string{"lease", "intent", "stamp", "candidate", "current", "cleared", "released"} {
		add(1, "before save: "+save, "written: "+save, "renamed: "+save, "after save: "+save)
	}
	add(1, "before save: rescue", "after save: rescue")
	add(1, "before call", "sent", "reply read", "after call")
	add(3, "outside dial", "outside sent", "outside read")
	add(1, "hook BeforeReset", "published", "hook AfterReset", "hook Finished")
	return all
}

// isOfRescue reports whether only who has a rescue token comes by.
func (p point) isOfRescue() bool {
	return p.Name == "before save: rescue" || p.Name == "after save: rescue"
}

// isPastStore reports whether a secret that the exchange has given is stored by then.
func (p point) isPastStore() bool {
	switch p.Name {
	case "after save: candidate", "before save: current", "written: current", "renamed: current", "after save: current",
		"published", "hook AfterReset", "step begins: reauthenticate", "step ends: reauthenticate":
		return true
	}
	return false
}

// killer kills the process that it is in.
type killer struct {
	point point

	mu   sync.Mutex // protects seen
	seen int
}

// at dies if this is the point. A nil killer never does.
func (k *killer) at(name string) {
	if k == nil || name != k.point.Name {
		return
	}
	k.mu.Lock()
	k.seen++
	now := k.seen == k.point.N
	k.mu.Unlock()
	if now {
		k.die()
	}
}

// wants reports whether a point of the name is the one.
func (k *killer) wants(names ...string) bool { return k != nil && slices.Contains(names, k.point.Name) }

// die does not return: no deferred call runs, nothing is flushed.
func (k *killer) die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}
