package main_test

import (
	"os"
	"sync"
	"testing"

	"github.com/holdfast-ws/holdfast/deribittest"
	main "github.com/holdfast-ws/holdfast/internal/soak"
)

func TestRotationsLeaveNothing(t *testing.T) {
	for _, reset := range []deribittest.ResetProfile{
		{}, {TokensRevoked: true}, {TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
	} {
		t.Run(reset.String(), func(t *testing.T) {
			keeps(t, main.Rotations{Count: 12, Sessions: 4, Reset: reset})
		})
	}
	t.Run("subscribed", func(t *testing.T) {
		keeps(t, main.Rotations{Count: 3, Sessions: 2, Subscribed: 1})
	})
}

func TestRotationsFindWhatIsLeft(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) {
		var left sync.WaitGroup
		end := make(chan struct{})
		defer left.Wait()
		defer close(end)
		breaks(t, main.Rotations{Count: 2, Sessions: 1, Fault: func() { left.Go(func() { <-end }) }}, "goroutines")
	})
	t.Run("descriptors", func(t *testing.T) {
		var left []*os.File
		breaks(t, main.Rotations{Count: 2, Sessions: 1, Fault: func() {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Error(err)
			}
			left = append(left, f)
		}}, "descriptors")
		for _, f := range left {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("heap", func(t *testing.T) {
		var left [][]byte
		breaks(t, main.Rotations{Count: 2, Sessions: 1, Fault: func() { left = append(left, make([]byte, 1<<20)) }}, "heap, after - before")
		if len(left) != 2 {
			t.Errorf("%d faults", len(left))
		}
	})
}
