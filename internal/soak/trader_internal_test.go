package main

import (
	"sync/atomic"
	"testing"
)

// TestCallsThatMeetWithAHandover are those during which one is under way, begins, ends, or does both.
func TestCallsThatMeetWithAHandover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, within int64 // how often handovers began or ended
		during         int64
	}{
		"none": {2, 0, 0}, "it begins": {2, 1, 1}, "it ends": {1, 1, 1}, "it goes on": {1, 0, 1}, "it begins and ends": {0, 2, 1},
	} {
		var handing atomic.Int64
		handing.Store(c.before)
		tr := trader{handing: &handing, during: newLatencies(), beside: newLatencies()}
		err := tr.timed(func() error {
			handing.Add(c.within)
			return nil
		})
		if n := tr.during.TotalCount(); err != nil || n != c.during || n+tr.beside.TotalCount() != 1 {
			t.Errorf("%s: %d calls met with a handover, %d did not: %v", name, n, tr.beside.TotalCount(), err)
		}
	}
}
