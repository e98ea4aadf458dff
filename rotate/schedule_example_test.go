package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// A rotation every eight hours, in a quiet moment, until an operator says: touch /run/trader/do-not-rotate.
func ExampleRotator_Run() {
	ctx := context.Background()         // which the program ends
	var rotator *rotate.Rotator         // of New
	inFlight := func() int { return 0 } // orders

	err := rotator.Run(ctx, rotate.Schedule{
		Interval: 8 * time.Hour,
		Blackout: []rotate.Window{
			rotate.Settlement(),
			{From: 23*time.Hour + 55*time.Minute, To: 10 * time.Minute}, // around midnight
		},
		Condition: func(context.Context) error {
			if n := inFlight(); n > 0 {
				return fmt.Errorf("%d orders in flight", n)
			}
			return nil
		},
		Paused: func() bool {
			_, err := os.Stat("/run/trader/do-not-rotate")
			return !errors.Is(err, os.ErrNotExist)
		},
	})
	if lockedOut, ok := errors.AsType[*rotate.LockedOutError](err); ok {
		log.Fatal(lockedOut) // it prints what a person has to do
	}
}
