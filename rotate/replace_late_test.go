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
)

// TestReplacePausedAndUnanswered: a process that is paused and has lost the lease sends its creation all the same, hears nothing, and the key
// is created late. It has the key on record again, so that whoever recovers looks for it once it can be there, even if it looked before.
func TestReplacePausedAndUnanswered(t *testing.T) {
	const method = "private/create_api_key"
	for name, until := range map[string]time.Duration{
		"the other has finished": 10 * time.Minute,
		"the other still waits":  2*time.Minute + 50*time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				late := &acting{Session: b.fleet[0], does: map[string]func(context.Context, any, []byte) ([]byte, error){}}
				late.does[method] = func(ctx context.Context, params any, dst []byte) ([]byte, error) {
					<-time.After(until)
					time.AfterFunc(50*time.Second, func() {
						if _, err := b.fleet[0].CallRaw(context.WithoutCancel(ctx), method, params, nil); err != nil {
							t.Error(err)
						}
					})
					return dst, &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: errDown}
				}
				paused := b.second(t, template, func(c *rotate.Config) { c.Authority = late })
				if err := b.overtake(t, paused, template); !errors.Is(err, rotate.ErrLeaseLost) || !errors.Is(err, errDown) {
					t.Errorf("the error is %v", err)
				}
				if _, err := paused.Recover(t.Context()); err != nil {
					t.Error(err)
				}
				<-time.After(time.Minute) // were it not to wait, the key would come now
				if n := b.server.Stats().Calls[method]; n != 1 {
					t.Errorf("%d keys were created", n)
				}
				b.alone(t)
				if err := paused.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
