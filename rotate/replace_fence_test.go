package rotate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// acting is an authority that does something of its own with some calls.
type acting struct {
	*session.Session
	does map[string]func(ctx context.Context, params any, dst []byte) ([]byte, error)
}

func (a *acting) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	if do := a.does[method]; do != nil {
		return do(ctx, params, dst)
	}
	return a.Session.CallRaw(ctx, method, params, dst)
}

// sleepy is the store of a process that is stopped for minutes right after it has said that a key will be created.
type sleepy struct {
	rotate.Store
	slept bool
}

func (s *sleepy) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	version, err := s.Store.Save(ctx, record, ifVersion)
	if err == nil && record.Replacement != nil && !s.slept {
		s.slept = true
		<-time.After(10 * time.Minute)
	}
	return version, err
}

// overtake has a paused rotator's lease taken by another one, which recovers. It returns with what the paused one says.
func (b *bench) overtake(t *testing.T, paused *rotate.Rotator, template session.Config) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := paused.Rotate(t.Context())
		done <- err
	}()
	<-time.After(2 * time.Minute)
	other := b.second(t, template, func(*rotate.Config) {})
	if _, err := other.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return <-done
}

// TestReplacePausedBeforeTheCreation: a process that wakes up after another has recovered creates nothing.
func TestReplacePausedBeforeTheCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		paused := b.second(t, template, func(c *rotate.Config) {
			c.Store, c.StoreTimeout = &sleepy{Store: b.store}, time.Hour // for its clock stands still, too
		})
		if err := b.overtake(t, paused, template); !errors.Is(err, rotate.ErrLeaseLost) {
			t.Errorf("the error is %v", err)
		}
		if n := b.server.Stats().Calls["private/create_api_key"]; n != 0 {
			t.Errorf("%d keys were created", n)
		}
		if err := paused.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacePausedInTheCreation: where it has looked at the lease before it was stopped, it removes what it has created, at once, or, if
// that cannot be, has the next Recover do so.
func TestReplacePausedInTheCreation(t *testing.T) {
	for name, refuses := range map[string]bool{"removed": false, "on record": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
				defer b.close(t)
				late := &acting{Session: b.fleet[0], does: map[string]func(context.Context, any, []byte) ([]byte, error){}}
				late.does["private/create_api_key"] = func(ctx context.Context, params any, dst []byte) ([]byte, error) {
					<-time.After(10 * time.Minute)
					return b.fleet[0].CallRaw(context.WithoutCancel(ctx), "private/create_api_key", params, dst)
				}
				if refuses {
					late.does["private/remove_api_key"] = func(_ context.Context, _ any, dst []byte) ([]byte, error) {
						return dst, &rpc.Error{Code: 13021, Message: "forbidden"}
					}
				}
				paused := b.second(t, template, func(c *rotate.Config) { c.Authority = late })
				if err := b.overtake(t, paused, template); !errors.Is(err, rotate.ErrLeaseLost) {
					t.Errorf("the error is %v", err)
				}
				if n := b.server.Stats().Calls["private/create_api_key"]; n != 1 {
					t.Errorf("%d keys were created", n)
				}
				if refuses {
					delete(late.does, "private/remove_api_key")
					if _, err := paused.Recover(t.Context()); err != nil {
						t.Error(err)
					}
				}
				b.alone(t)
				if err := paused.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestReplaceAskedForLong: while a person looks for the code for longer than a lease lasts, nobody else takes the key.
func TestReplaceAskedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader", SecondFactor: true})
		defer b.close(t)
		other := b.second(t, template, func(c *rotate.Config) { c.LeaseTTL = 30 * time.Second })
		asked := 0
		r := b.second(t, template, func(c *rotate.Config) {
			c.LeaseTTL = 30 * time.Second
			c.SecondFactor = func(ctx context.Context, challenge rotate.Challenge) (string, error) {
				asked++
				<-time.After(40 * time.Second)
				_, err := other.Check(ctx)
				if _, held := errors.AsType[*rotate.LeaseHeldError](err); !held {
					t.Errorf("%s: the error is %v", challenge.Method, err)
				}
				return b.code(ctx, challenge)
			}
		})
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if asked < 2 { // for the list and for the creation
			t.Errorf("asked %d times", asked)
		}
		b.replaced(t, 2)
		for _, r := range []*rotate.Rotator{r, other} {
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestReplaceAskedForEver: an exchange that answers each code with another challenge is given two, and nothing is left to do.
func TestReplaceAskedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		again := func(_ context.Context, _ any, dst []byte) ([]byte, error) {
			return append(dst, `{"security_key_authorization_required":true,"challenge":"again","security_keys":[],"rp_id":"x"}`...), nil
		}
		var rounds []int
		r := b.second(t, template, func(c *rotate.Config) {
			c.Authority = &acting{b.fleet[0], map[string]func(context.Context, any, []byte) ([]byte, error){"private/create_api_key": again}}
			c.SecondFactor = func(_ context.Context, challenge rotate.Challenge) (string, error) {
				rounds = append(rounds, challenge.Round)
				if len(rounds) > 10 {
					return "", errors.New("enough")
				}
				return "123456", nil
			}
		})
		_, err := r.Rotate(t.Context())
		if _, ok := errors.AsType[*rotate.SecondFactorError](err); !ok {
			t.Errorf("the error is %v", err)
		}
		if len(rounds) != 2 || rounds[0] != 1 || rounds[1] != 2 {
			t.Errorf("rounds %v", rounds)
		}
		if record, err := b.store.Load(t.Context()); err != nil || record.Replacement != nil {
			t.Errorf("stored: %+v, %v", record.Replacement, err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestResetAskedForEver: a reset, too, is given up after two codes, and no report says that the key was rotated.
func TestResetAskedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		again := func(_ context.Context, _ any, dst []byte) ([]byte, error) {
			return append(dst, `{"security_key_authorization_required":true,"challenge":"again","security_keys":[],"rp_id":"x"}`...), nil
		}
		asked := 0
		r := b.second(t, template, func(c *rotate.Config) {
			c.Strategy, c.AcceptLockout = rotate.ResetInPlace, true
			c.Authority = &acting{b.fleet[0], map[string]func(context.Context, any, []byte) ([]byte, error){"private/reset_api_key": again}}
			c.SecondFactor = func(context.Context, rotate.Challenge) (string, error) {
				asked++
				return "123456", nil
			}
		})
		report, err := r.Rotate(t.Context())
		if _, ok := errors.AsType[*rotate.SecondFactorError](err); !ok || report.Outcome != rotate.Aborted || asked != 2 {
			t.Errorf("asked %d times: %v, %v", asked, report.Outcome, err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceOddRemoval: an answer to a removal that is not the documented one is believed only if the key is gone.
func TestReplaceOddRemoval(t *testing.T) {
	for _, removes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
			defer b.close(t)
			key := b.key
			odd := func(ctx context.Context, params any, dst []byte) ([]byte, error) {
				if removes {
					if _, err := b.fleet[0].CallRaw(ctx, "private/remove_api_key", params, nil); err != nil {
						t.Error(err)
					}
				}
				return append(dst, `"failed"`...), nil
			}
			r := b.second(t, template, func(c *rotate.Config) {
				c.Authority = &acting{b.fleet[0], map[string]func(context.Context, any, []byte) ([]byte, error){"private/remove_api_key": odd}}
			})
			_, err := r.Rotate(t.Context())
			if removes {
				if err != nil {
					t.Error(err)
				}
				b.gone(t, key)
			} else {
				if _, ok := errors.AsType[*rotate.LeftoverKeyError](err); !ok || !errors.Is(err, rotate.ErrReply) {
					t.Errorf("the error is %v", err)
				}
				b.left(t, key)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplaceKeyInUse has a person publish the old key again during the overlap: it is not removed, and what the error says heals it.
func TestReplaceKeyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, template := memoryBench(t, deribittest.Config{Tick: -1}, deribittest.KeyConfig{Name: "trader"})
		defer b.close(t)
		old := b.keyring.Current()
		r := b.second(t, template, func(c *rotate.Config) { c.Authority = b.fleet[0] })
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(30 * time.Second) // of the 60 of Config.Overlap
		old.Generation = 9
		b.takeAll(t, old)
		err := <-done
		used, ok := errors.AsType[*rotate.KeyInUseError](err)
		const step = "Publish its credentials with Generation = keyring.Current().Generation+1, call Recover"
		if !ok || !strings.Contains(err.Error(), step) || used.KeyID != b.key.ID || used.ClientID != b.key.ClientID || !slices.Equal(used.Users, []string{"Config.Keyring", "Config.Authority", "s0", "s1", "s2", "s3"}) {
			t.Fatalf("the error is %v", err)
		}
		b.left(t, b.key)
		record, err := b.store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := record.Credentials() // as it says
		next.Generation = b.keyring.Current().Generation + 1
		if err := b.keyring.Publish(next); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		b.replaced(t, 10)
	})
}

// takeAll publishes credentials, and has all sessions authenticate with them.
func (b *bench) takeAll(t *testing.T, creds session.Credentials) {
	t.Helper()
	if err := b.keyring.Publish(creds); err != nil {
		t.Fatal(err)
	}
	for _, s := range b.fleet {
		if err := s.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
