package rotate_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// TestCheck: all that comes before the reset is done, and nothing is left of it.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var told []rotate.Outcome
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.Finished = func(_ context.Context, report rotate.Report) { told = append(told, report.Outcome) }
		})
		report, err := r.Check(t.Context())
		if err != nil || report.Outcome != rotate.Checked || report.Trigger != rotate.TriggerCheck || report.NewGeneration != 0 {
			t.Fatalf("%v, %v", report, err)
		}
		kinds := []rotate.StepKind{}
		for _, s := range report.Steps {
			kinds = append(kinds, s.Kind)
		}
		if !slices.Equal(kinds, []rotate.StepKind{rotate.StepLease, rotate.StepPreflight}) {
			t.Errorf("steps: %v", kinds)
		}
		p.skew = time.Minute
		report, err = r.Check(t.Context())
		if refused, ok := errors.AsType[*rotate.PreflightError](err); !ok || refused.Check != "clock" || report.Outcome != rotate.Aborted {
			t.Errorf("a clock that is off: %v, %v", report, err)
		}
		if !slices.Equal(told, []rotate.Outcome{rotate.Checked, rotate.Aborted}) {
			t.Errorf("told of %v", told)
		}
		if p.resets != 0 {
			t.Errorf("%d resets", p.resets)
		}
		settled(t, p)
	})
}

// TestCheckFinishesFirst: what a check could not see past is done before it.
func TestCheckFinishesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(unfinished(t))
		<-time.After(time.Minute) // the lease of who has died
		report, err := p.rotator(t, nil).Check(t.Context())
		if err != nil || report.Outcome != rotate.Checked || report.OldGeneration != 2 || p.resets != 1 {
			t.Fatalf("%v, %v, %d resets", report, err, p.resets)
		}
		settled(t, p)
	})
}

// TestCheckBesideRotate: a check does not pass a rotation off as its own.
func TestCheckBesideRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var r *rotate.Rotator
		checked := make(chan rotate.Report, 1)
		r = p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(ctx context.Context, _ rotate.Plan) error {
				go func() {
					report, err := r.Check(context.WithoutCancel(ctx))
					if err != nil {
						t.Error(err)
					}
					checked <- report
				}()
				synctest.Wait()
				return nil
			}
		})
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := <-checked; report.Outcome != rotate.Checked || report.OldGeneration != 2 || p.resets != 1 {
			t.Errorf("%v, %d resets", report, p.resets)
		}
	})
}

// TestRecoverCatchesUp: sessions that a rotation has left behind are brought to its secret, without another one.
func TestRecoverCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[1].fault = errDown
		r := p.rotator(t, nil)
		isBehind := func(act func(context.Context) (rotate.Report, error)) {
			t.Helper()
			report, err := act(t.Context())
			degraded, ok := errors.AsType[*rotate.DegradedError](err)
			if !ok || !slices.Equal(degraded.Sessions, []string{"s1"}) || report.Outcome != rotate.Degraded {
				t.Fatalf("%v, %v", report, err)
			}
		}
		isBehind(r.Rotate)
		isBehind(r.Recover)
		p.sessions[1].fault = nil
		report, err := r.Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || report.KeyID != keyID || report.NewGeneration != 0 || report.OldGeneration != 2 {
			t.Errorf("%v, %v", report, err)
		}
		if p.resets != 1 {
			t.Errorf("%d resets", p.resets)
		}
		settled(t, p)
	})
}

// TestRecoverLeavesTheDisconnected: a session without a connection takes the current secret by itself, and is not waited for.
func TestRecoverLeavesTheDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.sessions[1].generation, p.sessions[1].closed = 0, true
		report, err := r.Recover(t.Context())
		if err != nil || report.Outcome != rotate.Unchanged || len(report.Sessions) != 0 {
			t.Errorf("%v, %v", report, err)
		}
	})
}
