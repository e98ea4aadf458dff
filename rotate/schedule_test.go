package rotate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// diary keeps the reports of a Rotator.
type diary struct {
	mu      sync.Mutex // protects reports
	reports []rotate.Report
}

// keep is a Hooks.Finished.
func (d *diary) keep(_ context.Context, report rotate.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reports = append(d.reports, report)
}

// of are the reports with the outcome.
func (d *diary) of(outcome rotate.Outcome) []rotate.Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.reports), func(r rotate.Report) bool { return r.Outcome != outcome })
}

// runFor has a new Rotator of the process Run for a while, and closes it.
func (d *diary) runFor(t *testing.T, p *process, s rotate.Schedule, long time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	r := p.rotator(t, func(cfg *rotate.Config) { cfg.Hooks.Finished = d.keep })
	if err := r.Run(ctx, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// regular fails the test unless the reports begin outside the settlement, and one after another at a distance within the bounds.
func regular(t *testing.T, reports []rotate.Report, least, most time.Duration) {
	t.Helper()
	for i, r := range reports {
		if free, _ := rotate.Opens([]rotate.Window{rotate.Settlement()}, r.Started); !free.Equal(r.Started) {
			t.Errorf("begun in the settlement, at %v", r.Started)
		}
		if i == 0 {
			continue
		}
		if gap := r.Started.Sub(reports[i-1].Started); gap < least || gap > most {
			t.Errorf("%v after the one before, want %v to %v", gap, least, most)
		}
	}
}

const (
	day = 24 * time.Hour
	// slack is what a settlement adds to an interval at most: its own time and the minute in which rotators part after it; and a few
	// seconds that rotations take.
	slack = 16*time.Minute + 10*time.Second
)

// TestRunZero: the zero Schedule rotates a new store's secret at once, and then each day for a month.
func TestRunZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		began := time.Now()
		var d diary
		d.runFor(t, p, rotate.Schedule{}, 30*day)
		turns := d.of(rotate.Rotated)
		if len(turns) < 30 || len(turns) > 34 || len(turns) != p.resets || turns[0].Started.Sub(began) > time.Second {
			t.Errorf("%d rotations, %d resets, the first at %v", len(turns), p.resets, turns[0].Started.Sub(began))
		}
		regular(t, turns, day*9/10, day+slack)
		settled(t, p)
	})
}

// TestRunRestarts: a program that is started again every five hours rotates as if it was not.
func TestRunRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var d diary
		for range 100 {
			d.runFor(t, newProcess(w), rotate.Schedule{}, 5*time.Hour)
		}
		turns := d.of(rotate.Rotated)
		if len(turns) < 20 || len(turns) > 24 {
			t.Errorf("%d rotations in 500 hours", len(turns))
		}
		regular(t, turns, day*9/10, day+slack)
	})
}

// TestRunAges: when a secret is due by what the store knows of its age.
func TestRunAges(t *testing.T) {
	for name, c := range map[string]struct{ age, want time.Duration }{
		"new":                       {0, 10 * time.Hour},
		"half":                      {5 * time.Hour, 5 * time.Hour},
		"overdue":                   {11 * time.Hour, 0},
		"clock a little ahead":      {-time.Minute, 10*time.Hour + time.Minute},
		"clock was wrong by a year": {-365 * day, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.record.Current.Received = time.Now().Add(-c.age)
				began := time.Now()
				var d diary
				d.runFor(t, p, rotate.Schedule{Interval: 10 * time.Hour, Jitter: -1, Blackout: []rotate.Window{}}, 11*time.Hour)
				turns := d.of(rotate.Rotated)
				if len(turns) == 0 {
					t.Fatal("not rotated")
				}
				if after := turns[0].Started.Sub(began); after != c.want {
					t.Errorf("rotated after %v, want %v", after, c.want)
				}
			})
		})
	}
}

// TestRunAfterOthers: a rotation by hand, or by another process, counts.
func TestRunAfterOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there := newProcess(w), newProcess(w)
		var d diary
		var work sync.WaitGroup
		for _, p := range []*process{here, there} {
			work.Go(func() { d.runFor(t, p, rotate.Schedule{}, 20*day) })
		}
		<-time.After(10*day + 12*time.Hour)
		if _, err := here.rotator(t, func(cfg *rotate.Config) { cfg.Hooks.Finished = d.keep }).Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		work.Wait()
		turns := d.of(rotate.Rotated)
		if len(turns) != w.resets || len(turns) < 20 || len(turns) > 25 {
			t.Errorf("%d rotations, %d resets in 20 days", len(turns), w.resets)
		}
		short := 0
		for i := range turns[1:] {
			if turns[i+1].Started.Sub(turns[i].Started) < day*9/10 {
				short++
			}
		}
		if short > 1 {
			t.Errorf("%d rotations too early, one was by hand", short)
		}
		if g := there.keyring.Current().Generation; g < uint64(w.resets) {
			t.Errorf("one process is at generation %d after %d resets", g, w.resets)
		}
	})
}

// TestRunAdopts: what another process has rotated to is taken within the hour.
func TestRunAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there := newProcess(w), newProcess(w)
		var d diary
		var work sync.WaitGroup
		work.Go(func() { d.runFor(t, here, rotate.Schedule{}, 7*time.Hour) })
		<-time.After(5*time.Hour + time.Minute)
		if _, err := there.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(time.Hour)
		if g := here.keyring.Current().Generation; g != 3 {
			t.Errorf("generation %d", g)
		}
		work.Wait()
		settled(t, here)
	})
}

// TestRunDry: a dry run resets nothing, at the times at which Run would.
func TestRunDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var d diary
		d.runFor(t, p, rotate.Schedule{DryRun: true}, 10*day)
		checks := d.of(rotate.Checked)
		if len(checks) < 10 || len(checks) > 12 || p.resets != 0 {
			t.Errorf("%d checks, %d resets", len(checks), p.resets)
		}
		regular(t, checks, day*9/10, day+slack)
	})
}

// TestRunDryLeavesTheUnfinished: a dry run finishes nothing. When somebody else has, the sessions take what came of it, and it checks.
func TestRunDryLeavesTheUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := unfinished(t)
		w.secret, w.record.Intent.Sent = "CANARY-lost", time.Now()
		began := time.Now()
		here, there := newProcess(w), newProcess(w)
		here.sessions[0].immortal, there.sessions[0].immortal = true, true // somebody can reset the key
		var d diary
		var work sync.WaitGroup
		work.Go(func() { d.runFor(t, here, rotate.Schedule{DryRun: true}, 3*day) })
		<-time.After(day)
		if w.resets != 1 || len(w.events) != 0 || len(d.of(rotate.Checked)) != 0 {
			t.Errorf("%d resets, done: %q", w.resets-1, w.events)
		}
		if _, err := there.rotator(t, nil).Recover(t.Context()); err != nil {
			t.Error(err)
		}
		work.Wait()
		checks := d.of(rotate.Checked)
		if len(checks) < 1 || len(checks) > 2 || checks[0].Started.Sub(began) < day || w.resets != 2 {
			t.Errorf("%d checks, %d resets", len(checks), w.resets)
		}
		settled(t, here)
	})
}

// TestRunRefuses a Schedule that cannot work.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	nan := 0.0
	nan /= nan
	for name, s := range map[string]rotate.Schedule{
		"nanoseconds":         {Interval: 24},
		"negative":            {Interval: -day},
		"jitter in percent":   {Jitter: 10},
		"jitter of nothing":   {Jitter: nan},
		"delay":               {MaxDelay: -1},
		"window without time": {Blackout: []rotate.Window{{}}},
		"window of next day":  {Blackout: []rotate.Window{{From: clock(24, 0), To: clock(25, 0)}}},
		"negative window":     {Blackout: []rotate.Window{{From: -1, To: clock(1, 0)}}},
		"all the day":         {Blackout: []rotate.Window{{From: 0, To: clock(12, 0)}, {From: clock(12, 0), To: clock(24, 0)}}},
	} {
		p := newProcess(newWorld())
		if err := p.rotator(t, nil).Run(t.Context(), s); !errors.Is(err, rotate.ErrConfig) || p.record != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
