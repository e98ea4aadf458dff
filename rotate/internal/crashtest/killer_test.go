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

// points are all that a strategy has.
func (s strategy) points() []point {
	steps := []string{"lease", "preflight", "intent", "store", "verify", "publish", "reauthenticate"}
	saves := []string{"lease", "current", "released"}
	var calls []string
	if s == resetInPlace {
		steps = append(steps, "reset")
		saves = append(saves, "intent", "stamp", "candidate", "cleared")
		calls = append(calls, "reset")
	} else {
		steps = append(steps, "create", "remove")
		saves = append(saves, "named", "stored", "replaced")
		calls = append(calls, "create", "remove")
	}
	var all []point
	add := func(times int, names ...string) {
		for _, name := range names {
			for n := range times {
				all = append(all, point{name, n + 1})
			}
		}
	}
	for _, step := range steps {
		add(1, "step begins: "+step, "step ends: "+step)
	}
	for _, save := range saves {
		add(1, "before save: "+save, "written: "+save, "renamed: "+save, "after save: "+save)
	}
	if s == resetInPlace {
		add(1, "before save: rescue", "after save: rescue")
	}
	for _, call := range calls {
		add(1, "before call: "+call, "sent: "+call, "reply read: "+call, "after call: "+call)
	}
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
