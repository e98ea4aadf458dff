package main_test

import (
	"context"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
)

func fewSlow() main.Slow { return main.Slow{For: 500 * time.Millisecond, Rate: 3000, Calls: 200} }

// slowTimes depend on the machine.
var slowTimes = []string{"notifications a second", "calls p99", "deliveries to the other p99"}

func TestSlowConsumerDisturbsNobody(t *testing.T) { keeps(t, fewSlow(), slowTimes...) }

func TestSlowFindsFaults(t *testing.T) {
	var held [][]byte
	stalled := false
	for what, fault := range map[string]func(){
		"calls p99": func() { // the reader waits, once
			if stalled {
				return
			}
			stalled = true
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			<-ctx.Done()
		},
		"heap, most while - most before": func() {
			if len(held) < 4 {
				held = append(held, make([]byte, 16<<20))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := fewSlow()
			m.Fault = fault
			breaks(t, m, what)
		})
	}
	if len(held) == 0 {
		t.Error("nothing was held")
	}
}
