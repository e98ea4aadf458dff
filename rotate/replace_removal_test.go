package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReplaceRemovalUnanswered loses the answer to the removal of the old key, with all connections: whether the key is gone is found out
// once there are others, and nothing is said to be left.
func TestReplaceRemovalUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, network := cutAtAnswer(t, "private/remove_api_key")
		template := session.Config{NetDial: network.dial}
		b := newBench(t, server, server.AddKey(deribittest.KeyConfig{Name: "trader"}), template)
		defer b.close(t)
		old := b.key
		if report, err := b.replaceOnce(t, template, func(*rotate.Config) {}); err != nil || report.Outcome != rotate.Rotated {
			t.Errorf("%v\n%v", err, report)
		}
		b.gone(t, old)
		for _, s := range b.fleet {
			if err := s.WaitReady(t.Context()); err != nil {
				t.Error(err)
			}
		}
		b.replaced(t, 2)
	})
}

// TestReplaceRemovalAskedAgain: the list that would tell what has become of the old key is not answered either, at first.
func TestReplaceRemovalAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		old, asked := b.key, 0
		removed := time.Time{}
		lost := func(method string) error { return &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown} }
		deaf := &acting{b.fleet[0], map[string]func(context.Context, any, []byte) ([]byte, error){
			"private/remove_api_key": func(ctx context.Context, params any, dst []byte) ([]byte, error) {
				if _, err := b.fleet[0].CallRaw(ctx, "private/remove_api_key", params, nil); err != nil {
					t.Error(err)
				}
				removed = time.Now()
				return dst, lost("private/remove_api_key")
			},
			"private/list_api_keys": func(ctx context.Context, params any, dst []byte) ([]byte, error) {
				if !removed.IsZero() {
					if asked++; time.Since(removed) < 10*time.Second {
						return dst, lost("private/list_api_keys")
					}
				}
				return b.fleet[0].CallRaw(ctx, "private/list_api_keys", params, dst)
			},
		}}
		if report, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = deaf }); err != nil || asked < 2 || asked > 20 {
			t.Errorf("asked %d times: %v\n%v", asked, err, report)
		}
		b.gone(t, old)
		b.replaced(t, 2)
	})
}

// TestReplaceRemovalUnknown: where nobody can be asked what has become of the old key, that is what is said, in a bounded time.
func TestReplaceRemovalUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		var removed time.Time
		down := func(method string) error { return &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown} }
		deaf := &acting{b.fleet[0], map[string]func(context.Context, any, []byte) ([]byte, error){
			"private/remove_api_key": func(_ context.Context, _ any, dst []byte) ([]byte, error) {
				removed = time.Now()
				return dst, down("private/remove_api_key")
			},
			"private/list_api_keys": func(ctx context.Context, params any, dst []byte) ([]byte, error) {
				if !removed.IsZero() {
					return dst, down("private/list_api_keys")
				}
				return b.fleet[0].CallRaw(ctx, "private/list_api_keys", params, dst)
			},
		}}
		_, err := b.replaceOnce(t, template, func(c *rotate.Config) { c.Authority = deaf })
		if _, left := errors.AsType[*rotate.LeftoverKeyError](err); !left || time.Since(removed) > time.Minute {
			t.Errorf("after %v: %v", time.Since(removed), err)
		}
		b.left(t, b.key)
		r := b.second(t, template, func(*rotate.Config) {})
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 2)
	})
}
