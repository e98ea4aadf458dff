package rotate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

func generation(g uint64) session.Credentials {
	return session.Credentials{ClientID: clientID, Secret: session.NewSecret([]byte{byte(g)}), Generation: g}
}

// TestI8GenerationsOnlyRise publishes out of order and from many goroutines.
func TestI8GenerationsOnlyRise(t *testing.T) {
	t.Parallel()
	k := rotate.NewKeyring(generation(0))
	if got := k.Current().Generation; got != 1 {
		t.Errorf("the first generation is %d", got)
	}
	for _, test := range []struct {
		publish uint64
		stale   bool
		want    uint64
	}{{2, false, 2}, {2, true, 2}, {1, true, 2}, {9, false, 9}, {3, true, 9}} {
		err := k.Publish(generation(test.publish))
		if errors.Is(err, rotate.ErrStaleGeneration) != test.stale || k.Current().Generation != test.want {
			t.Errorf("publish %d: %v, current %d", test.publish, err, k.Current().Generation)
		}
	}
	var seen []uint64 // by one listener at a time
	k.Subscribe(func(c session.Credentials) { seen = append(seen, c.Generation) })
	var publishers sync.WaitGroup
	for g := range uint64(100) {
		publishers.Go(func() {
			if err := k.Publish(generation(g)); err != nil && !errors.Is(err, rotate.ErrStaleGeneration) {
				t.Error(err)
			}
		})
	}
	publishers.Wait()
	if k.Current().Generation != 99 || !slices.IsSorted(seen) || seen[len(seen)-1] != 99 {
		t.Errorf("current %d, listener saw %v", k.Current().Generation, seen)
	}
}

// TestGate: who asks while a reset is under way waits for its end, or for its own.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := rotate.NewKeyring(generation(1))
		k.Shut()
		impatient, leave := context.WithCancel(t.Context())
		got := make(chan uint64, 2)
		left := make(chan error, 1)
		for range 2 {
			go func() {
				c, err := k.Credentials(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- c.Generation
			}()
		}
		go func() {
			_, err := k.Credentials(impatient)
			left <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		if err := k.Publish(generation(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Error("Publish has opened the gate")
		}
		k.PublishAndOpen(generation(3))
		if a, b := <-got, <-got; a != 3 || b != 3 {
			t.Errorf("who waited got %d and %d", a, b)
		}
		k.Shut()
		k.PublishAndOpen(generation(2)) // a person was faster
		if k.IsShut() || k.Current().Generation != 3 {
			t.Errorf("shut %t, generation %d", k.IsShut(), k.Current().Generation)
		}
	})
}

// TestSubscribe: a listener hears the current generation at once, each later one in order, and nothing after it has left; and it may
// use the keyring.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	k := rotate.NewKeyring(generation(1))
	var seen, other []uint64
	leave := k.Subscribe(func(c session.Credentials) {
		seen = append(seen, c.Generation)
		if c.Generation == 2 {
			if err := k.Publish(generation(3)); err != nil {
				t.Error(err)
			}
		}
	})
	k.Subscribe(func(c session.Credentials) { other = append(other, c.Generation) })
	if err := k.Publish(generation(2)); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := k.Publish(generation(4)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []uint64{1, 2, 3}) || !slices.Equal(other, []uint64{1, 2, 3, 4}) {
		t.Errorf("heard %v and %v", seen, other)
	}
}

// TestUnsubscribeEndsWhatIsPending: a listener that leaves while a generation waits for it does not hear that one.
func TestUnsubscribeEndsWhatIsPending(t *testing.T) {
	t.Parallel()
	k := rotate.NewKeyring(generation(1))
	var seen []uint64
	var leave func()
	leave = k.Subscribe(func(c session.Credentials) {
		seen = append(seen, c.Generation)
		if c.Generation == 2 {
			if err := k.Publish(generation(3)); err != nil {
				t.Error(err)
			}
			leave()
		}
	})
	if err := k.Publish(generation(2)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []uint64{1, 2}) {
		t.Errorf("heard %v", seen)
	}
}
