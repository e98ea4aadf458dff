package rotate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
)

// life is what happens to a Run in its time.
type life struct {
	long      time.Duration
	schedule  rotate.Schedule
	restart   time.Duration // how long each process lives
	processes int           // at a time
	busy      int           // percent of the questions that Condition answers with an error
	faulty    int           // percent of the resets that are not sent
	seed      uint64
}

// genLife draws a life in which at least a quarter of each day is open. What it draws is not all the chance that there is: when a
// secret is due, and how long to wait after a failure, is the library's.
func genLife(t *rapid.T) life {
	l := life{
		long: 10 * day,
		schedule: rotate.Schedule{
			Interval: time.Duration(rapid.IntRange(12, 3*24).Draw(t, "interval")) * time.Hour,
			Jitter:   float64(rapid.IntRange(1, 50).Draw(t, "jitter")) / 100,
			MaxDelay: time.Duration(rapid.IntRange(1, 180).Draw(t, "max delay")) * time.Minute,
			Blackout: []rotate.Window{},
		},
		restart:   time.Duration(rapid.SampledFrom([]int{17, 24 * 4, 24 * 365}).Draw(t, "restart")) * time.Hour,
		processes: rapid.IntRange(1, 2).Draw(t, "processes"),
		busy:      rapid.SampledFrom([]int{0, 50, 99}).Draw(t, "busy"),
		faulty:    rapid.SampledFrom([]int{0, 30}).Draw(t, "faulty"),
		seed:      rapid.Uint64().Draw(t, "seed"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "windows") {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		long := rapid.IntRange(1, 6*60).Draw(t, "long")
		l.schedule.Blackout = append(l.schedule.Blackout, rotate.Window{From: clock(0, from), To: clock(0, (from+long)%(24*60))})
	}
	return l
}

// latest is how long after the secret before a rotation may begin: what may stand in its way adds up.
func (l life) latest() time.Duration {
	most := l.schedule.Interval + l.schedule.MaxDelay + time.Minute
	for _, w := range l.schedule.Blackout {
		// Each may be met twice: before the condition has put it off for MaxDelay, and after.
		most += 2 * ((w.To-w.From+day)%day + time.Minute)
	}
	if l.faulty > 0 {
		most += 12 * time.Hour // of waits after failures
	}
	if l.processes > 1 || l.restart < l.long {
		most += 4 * time.Minute // who finds the lease taken, or has lost its time by a restart
		most += l.schedule.MaxDelay
	}
	return most
}

// live is the life. It returns the reports of all that were rotations, and those that failed before.
func (l life) live(t *testing.T) (turns, failed []rotate.Report, w *world) {
	t.Helper()
	w = newWorld()
	rng := rand.New(rand.NewPCG(l.seed, 2)) // used under the world's lock
	strike := func(percent int) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return rng.IntN(100) < percent
	}
	w.refuse = func(map[string]any) (string, error) {
		if rng.IntN(100) < l.faulty {
			return "", refusal(rpc.CodeInvalidParams, "")
		}
		return "", nil
	}
	l.schedule.Condition = func(context.Context) error {
		if strike(l.busy) {
			return errDown
		}
		return nil
	}
	var d diary
	for began := time.Now(); time.Since(began) < l.long; {
		ended := make(chan struct{}, l.processes)
		for range l.processes {
			w.mu.Lock()
			p := newProcess(w)
			w.mu.Unlock()
			p.sessions = p.sessions[:1]
			go func() {
				defer func() { ended <- struct{}{} }()
				d.runFor(t, p, l.schedule, min(l.restart, l.long))
			}()
		}
		for range l.processes {
			<-ended
		}
	}
	return d.of(rotate.Rotated), d.of(rotate.Aborted), w
}

// check is what must hold of every life: no rotation begins in a blackout, none comes too early, and none too late.
func (l life) check(t *testing.T) error {
	t.Helper()
	turns, failed, w := l.live(t)
	for _, r := range slices.Concat(turns, failed) {
		if free, _ := rotate.Opens(l.schedule.Blackout, r.Started); !free.Equal(r.Started) {
			return fmt.Errorf("begun at %v, in a blackout", r.Started)
		}
	}
	earliest := l.schedule.Interval - time.Duration(l.schedule.Jitter*float64(l.schedule.Interval))
	for i := range turns[1:] {
		gap := turns[i+1].Started.Sub(turns[i].Started)
		if gap < earliest || gap > l.latest() {
			return fmt.Errorf("rotation %d is %v after the one before, want %v to %v", i+1, gap, earliest, l.latest())
		}
	}
	if least := int((l.long - day) / l.latest()); len(turns) < least || len(turns) != w.resets || len(w.broken) > 0 {
		return fmt.Errorf("%d rotations, want at least %d; %d resets, broken: %v", len(turns), least, w.resets, w.broken)
	}
	if (l.faulty > 0) != (len(failed) > 0) && len(turns) > 20 && l.processes == 1 {
		return fmt.Errorf("%d failures at %d%%", len(failed), l.faulty)
	}
	return nil
}

// TestRunLives lives many lives of some days.
func TestRunLives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := genLife(rt)
		var err error
		synctest.Test(t, func(t *testing.T) { err = l.check(t) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// TestRunYear lives a few years.
func TestRunYear(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		l := rapid.Custom(genLife).Example(i)
		l.long = 365 * day
		synctest.Test(t, func(t *testing.T) {
			if err := l.check(t); err != nil {
				t.Errorf("%+v: %v", l, err)
			}
		})
	}
}
