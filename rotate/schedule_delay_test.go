package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// firstTurn is when a Run has rotated first, counted from its start, and what it has logged by then.
func firstTurn(t *testing.T, p *process, s rotate.Schedule) (after time.Duration, logged string) {
	t.Helper()
	began := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log bytes.Buffer
	r := p.rotator(t, func(cfg *rotate.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		cfg.Hooks.Finished = func(_ context.Context, report rotate.Report) {
			if report.Outcome == rotate.Rotated {
				after = report.Started.Sub(began)
				stop()
			}
		}
	})
	if err := r.Run(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if p.resets != 1 {
		t.Errorf("%d resets", p.resets)
	}
	return after, log.String()
}

// TestRunCondition: a condition puts a rotation off, for as long as MaxDelay and no longer.
func TestRunCondition(t *testing.T) {
	refuse := func(context.Context) error { return errDown }
	for name, c := range map[string]struct {
		schedule    rotate.Schedule
		condition   func(context.Context) error
		least, most time.Duration
		overruled   bool
	}{
		"for a while":       {rotate.Schedule{}, nil, 30 * time.Minute, 31 * time.Minute, false},
		"for ever":          {rotate.Schedule{}, refuse, 6 * time.Hour, 6 * time.Hour, true},
		"for ever, bounded": {rotate.Schedule{MaxDelay: 90 * time.Second}, refuse, 90 * time.Second, 90 * time.Second, true},
		"a panic":           {rotate.Schedule{MaxDelay: time.Hour}, func(context.Context) error { panic("no") }, time.Hour, time.Hour, true},
		"a hook that hangs": {rotate.Schedule{MaxDelay: time.Hour}, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}, time.Hour, time.Hour + 20*time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var asked atomic.Int64 // by calls that overlap, if one hangs
				c.schedule.Condition = func(ctx context.Context) error {
					asked.Add(1)
					switch {
					case c.condition != nil:
						return c.condition(ctx)
					case time.Since(began) < 30*time.Minute:
						return errDown
					}
					return nil
				}
				after, logged := firstTurn(t, newProcess(newWorld()), c.schedule)
				if after < c.least || after > c.most {
					t.Errorf("rotated after %v, want %v to %v", after, c.least, c.most)
				}
				if most := int64(after/time.Minute) + 2; asked.Load() > most {
					t.Errorf("asked %d times, want %d at most", asked.Load(), most)
				}
				if got := strings.Contains(logged, "overruled"); got != c.overruled {
					t.Errorf("overruled is logged: %t, in:\n%s", got, logged)
				}
				if n := strings.Count(logged, "rotation put off"); n != 1 {
					t.Errorf("put off is logged %d times", n)
				}
			})
		})
	}
}

// TestRunConditionEntersBlackout: a condition that answers in a blackout was asked before it, and does not lead into it.
func TestRunConditionEntersBlackout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		after, _ := firstTurn(t, newProcess(newWorld()), rotate.Schedule{
			Blackout: []rotate.Window{{From: 5 * time.Second, To: clock(1, 0)}},
			Condition: func(context.Context) error {
				<-time.After(6 * time.Second)
				return nil
			},
		})
		if after < time.Hour || after > time.Hour+2*time.Minute {
			t.Errorf("rotated after %v", after)
		}
	})
}

// TestRunPartsAfterBlackout: what was due in a blackout does not all begin at its end.
func TestRunPartsAfterBlackout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after, _ := firstTurn(t, newProcess(newWorld()), rotate.Schedule{Blackout: []rotate.Window{{From: 0, To: clock(18, 0)}}})
		if after <= clock(18, 0) || after > clock(18, 1) {
			t.Errorf("rotated after %v", after)
		}
	})
}

// TestRunBlackoutIsNotOverruled: MaxDelay is about Condition alone.
func TestRunBlackoutIsNotOverruled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after, logged := firstTurn(t, newProcess(newWorld()), rotate.Schedule{
			Blackout:  []rotate.Window{{From: 0, To: clock(18, 0)}},
			Condition: func(context.Context) error { return errDown },
			MaxDelay:  time.Minute,
		})
		if after < clock(18, 1) || after > clock(18, 2) {
			t.Errorf("rotated after %v", after)
		}
		if !strings.Contains(logged, "blackout until 18:00:00") {
			t.Errorf("logged:\n%s", logged)
		}
	})
}

// TestRunPaused: while the switch is on no rotation begins; a switch that does not work is on.
func TestRunPaused(t *testing.T) {
	for name, on := range map[string]func() bool{
		"on":    func() bool { return true },
		"panic": func() bool { panic("no") },
		"hangs": func() bool {
			<-time.After(time.Minute)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := newProcess(newWorld())
				after, logged := firstTurn(t, p, rotate.Schedule{
					Paused:    func() bool { return time.Since(began) < 3*day && on() },
					Condition: func(context.Context) error { return nil },
				})
				if after < 3*day || after > 3*day+2*time.Minute {
					t.Errorf("rotated after %v", after)
				}
				if n := strings.Count(logged, "rotation put off"); n != 1 {
					t.Errorf("put off is logged %d times in:\n%s", n, logged)
				}
			})
		})
	}
}

// TestRunHookThatHangs: a switch or a condition that does not return is asked once, however long that takes, and no rotation begins
// meanwhile. One that returns at last is asked again.
func TestRunHookThatHangs(t *testing.T) {
	for _, name := range []string{"Paused", "Condition"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				hang := func() {
					if asked.Add(1) == 1 {
						<-time.After(3 * day)
					}
				}
				s := rotate.Schedule{
					Paused: func() bool {
						hang()
						return false
					},
					MaxDelay: 5 * day,
				}
				if name == "Condition" {
					s.Paused, s.Condition = nil, func(context.Context) error {
						hang()
						return nil
					}
				}
				after, _ := firstTurn(t, newProcess(newWorld()), s)
				if n := asked.Load(); after < 3*day || after > 3*day+2*time.Minute || n > 3 {
					t.Errorf("rotated after %v, asked %d times", after, n)
				}
			})
		})
	}
}

// TestRunPausedRecovers: the switch does not keep the sessions of an unfinished rotation at the gate.
func TestRunPausedRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(unfinished(t))
		var d diary
		d.runFor(t, p, rotate.Schedule{Paused: func() bool { return true }}, 3*day)
		if p.resets != 1 || len(d.of(rotate.Recovered)) != 1 || len(d.of(rotate.Rotated)) != 0 {
			t.Errorf("%d resets, %v", p.resets, d.reports)
		}
		settled(t, p)
	})
}

// TestRunConditionEachTurn: the condition may put off each rotation for as long as the one before.
func TestRunConditionEachTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.runFor(t, newProcess(newWorld()), rotate.Schedule{
			Interval: 10 * time.Hour, Jitter: -1, Blackout: []rotate.Window{}, MaxDelay: 2 * time.Hour,
			Condition: func(context.Context) error { return errDown },
		}, 5*day)
		turns := d.of(rotate.Rotated)
		if len(turns) != 10 {
			t.Errorf("%d rotations, want one in 12 hours for 5 days", len(turns))
		}
		regular(t, turns, 12*time.Hour, 12*time.Hour)
	})
}

// TestRunTurnTaken: who is asked for its condition while another rotates does not rotate once more.
func TestRunTurnTaken(t *testing.T) {
	for name, w := range map[string]*world{"a known secret": newWorld(), "a new store": newWorld()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if name == "a known secret" {
					if _, err := newProcess(w).rotator(t, nil).Rotate(t.Context()); err != nil {
						t.Fatal(err)
					}
					<-time.After(2 * day)
				}
				before := w.resets
				other := newProcess(w).rotator(t, nil)
				var d diary
				d.runFor(t, newProcess(w), rotate.Schedule{Condition: func(ctx context.Context) error {
					_, err := other.Rotate(ctx)
					return err
				}}, 12*time.Hour)
				if turns := d.of(rotate.Rotated); len(turns) != 0 || w.resets != before+1 {
					t.Errorf("%d rotations by schedule, %d resets", len(turns), w.resets-before)
				}
			})
		})
	}
}
