package filestore_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
)

// TestSlowFlush: a flush takes five seconds. Save has not returned before it is done, though its ctx has ended meanwhile: it may have
// happened, and nobody could tell. Those who wait for the lock leave with their ctx, or get the new record.
func TestSlowFlush(t *testing.T) {
	t.Parallel()
	for _, op := range []operation{opSync, opSyncDir} {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			path := safePath(t)
			create(t, path)
			synctest.Test(t, func(t *testing.T) { saveSlowly(t, path, op) })
		})
	}
}

func saveSlowly(t *testing.T, path string, slow operation) {
	t.Helper()
	const flush = 5 * time.Second
	began := time.Now()
	m := newModel(t, filepath.Dir(path))
	flushes := 0
	m.before = func(op operation) error {
		if op == slow {
			flushes++
			wait(flush)
		}
		return nil
	}
	s := open(t, path)
	m.serve(s)
	var group sync.WaitGroup
	group.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Save(ctx, record(2), 1); err != nil {
			t.Errorf("Save: %v", err)
		}
		if took := time.Since(began); flushes == 0 || took != time.Duration(flushes)*flush {
			t.Errorf("Save returned after %v, with %d flushes", took, flushes)
		}
		for _, image := range m.images() {
			if got := generation(t, open(t, restore(t, image))); got != 2 {
				t.Errorf("generation %d after the loss of power", got)
			}
		}
	})
	group.Go(func() {
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, loaded := open(t, path).Load(ctx)
		_, saved := open(t, path).Save(ctx, record(3), 1)
		for _, err := range []error{loaded, saved} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("while it is flushed: %v", err)
			}
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("they left after %v", took)
		}
	})
	group.Go(func() {
		<-time.After(time.Second)
		_, err := open(t, path).Save(t.Context(), record(3), 1)
		if got := generation(t, open(t, path)); !errors.Is(err, rotate.ErrConflict) || got != 2 {
			t.Errorf("after it was flushed: generation %d, %v", got, err)
		}
	})
	group.Wait()
}
