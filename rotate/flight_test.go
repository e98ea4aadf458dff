package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
)

// TestEndedContextBeginsNothing: who asks with a context that has ended already gets its error, and no reset.
func TestEndedContextBeginsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		ended, end := context.WithCancel(t.Context())
		end()
		for name, act := range map[string]func(context.Context) (rotate.Report, error){
			"Rotate": r.Rotate, "Recover": r.Recover, "Check": r.Check,
		} {
			if _, err := act(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if p.resets != 0 || p.record != nil {
			t.Errorf("%d resets, the store has %+v", p.resets, p.record)
		}
	})
}

// TestRotateJoinsATurnThatIsTaken: Run goes by what another process has just rotated; who has called Rotate meanwhile wants it done.
func TestRotateJoinsATurnThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		here, there := newProcess(w), newProcess(w)
		var r *rotate.Rotator
		reports := make(chan rotate.Report, 1)
		r = here.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.Finished = func(ctx context.Context, report rotate.Report) {
				if report.Outcome != rotate.Aborted { // the turn that is taken
					return
				}
				go func() {
					report, err := r.Rotate(context.WithoutCancel(ctx))
					if err != nil {
						t.Errorf("by hand: %v", err)
					}
					reports <- report
				}()
				synctest.Wait()
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- r.Run(ctx, rotate.Schedule{Condition: func(ctx context.Context) error {
				_, err := there.rotator(t, nil).Rotate(ctx)
				return err
			}})
		}()
		if report := <-reports; report.Outcome != rotate.Rotated || report.OldGeneration != 2 || report.NewGeneration != 3 {
			t.Errorf("by hand: %v", report)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if w.resets != 2 {
			t.Errorf("%d resets", w.resets)
		}
	})
}
