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
