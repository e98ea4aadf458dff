package main

import (
	"encoding/json"
	"fmt"

	"github.com/holdfast-ws/holdfast/session"
)

// events are what a private channel told of the orders of callers: how often each was opened, and cancelled.
type events struct{ opened, cancelled [][]uint8 }

// newEvents has room for so many orders of each caller, so that what is counted does not pass for what a run leaves behind.
func newEvents(callers, orders int) *events {
	e := &events{}
	for range callers {
		e.opened, e.cancelled = append(e.opened, make([]uint8, orders)), append(e.cancelled, make([]uint8, orders))
	}
	return e
}

// take counts a message of user.orders.
func (e *events) take(n session.Notification) error {
	var told struct {
		Label string `json:"label"`
		State string `json:"order_state"`
	}
	if err := json.Unmarshal(n.Data, &told); err != nil {
		return err
	}
	var caller, number int
	if _, err := fmt.Sscanf(told.Label, "caller-%d-%d", &caller, &number); err != nil {
		return fmt.Errorf("%w: an order of the label %q", errAnswer, told.Label)
	}
	count := map[string][][]uint8{"open": e.opened, "cancelled": e.cancelled}[told.State]
	if caller >= len(count) || number >= len(count[caller]) {
		return fmt.Errorf("%w: %s is %s", errAnswer, told.Label, told.State)
	}
	count[caller][number]++
	return nil
}

// hold holds what was told of the orders from a number on against what became of them, and returns how much was missing and how
// much was told more than once.
func (e *events) hold(t *trader, from int) (missing, repeated int) {
	open := map[int]bool{}
	for _, number := range t.open {
		open[number] = true
	}
	for number := from; number < len(t.orders); number++ {
		if t.orders[number] != answered {
			continue // whether there is such an order is not known
		}
		opened, cancelled := int(e.opened[t.id][number]), int(e.cancelled[t.id][number])
		missing += max(0, 1-opened)
		repeated += max(0, opened-1) + max(0, cancelled-1)
		if !open[number] {
			missing += max(0, 1-cancelled)
		}
	}
	return missing, repeated
}
