package rotate_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
)

// TestTakeBackOfAKeyWhoseNumberIsUnknown: a person resets a key that no rotator has turned yet. Its number is looked up before it is
// reset.
func TestTakeBackOfAKeyWhoseNumberIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		admin, leave := b.admin(t, template)
		defer leave()
		if err := admin.Call(t.Context(), "private/reset_api_key", map[string]any{"id": b.key.ID}, nil); err != nil {
			t.Fatal(err)
		}
		r := b.second(t, template, func(c *rotate.Config) { c.Strategy, c.Authority, c.TakeBack = rotate.ResetInPlace, admin, true })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		report, err := r.Recover(ctx)
		if resets := b.server.Stats().Calls["private/reset_api_key"]; err != nil || report.Outcome != rotate.Recovered || resets != 2 {
			t.Errorf("%v after %d resets: %v", report.Outcome, resets, err)
		}
		if record, err := b.store.Load(t.Context()); err != nil || record.KeyID != b.key.ID {
			t.Errorf("stored: the key's number is %d, %v", record.KeyID, err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
