package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// bog is where a rotation gets stuck until it is let go.
type bog struct {
	once         sync.Once
	entered, out chan struct{}
}

func (b *bog) wait(ctx context.Context) error {
	b.once.Do(func() { close(b.entered) })
	select {
	case <-b.out:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestR8OrdersNeverWait: wherever the rotation is stuck, orders on the sessions take the time that the network takes, which is
// none here.
func TestR8OrdersNeverWait(t *testing.T) {
	for name, stick := range map[string]func(*bog, *rig, *rotate.Config){
		"storing the intent": func(b *bog, r *rig, _ *rotate.Config) { r.store.fault = stuckSave(b, isIntent) },
		"storing the secret": func(b *bog, r *rig, _ *rotate.Config) { r.store.fault = stuckSave(b, isCandidate) },
		"storing the promotion": func(b *bog, r *rig, _ *rotate.Config) {
			r.store.fault = stuckSave(b, func(record rotate.Record) bool { return record.Current.Generation == 2 })
		},
		"before the reset": func(b *bog, _ *rig, cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(ctx context.Context, _ rotate.Plan) error { return b.wait(ctx) }
		},
		"at the second factor": func(b *bog, r *rig, cfg *rotate.Config) {
			cfg.SecondFactor = func(ctx context.Context, _ rotate.Challenge) (string, error) {
				return r.server.SecondFactorCode(r.key.ID), b.wait(ctx)
			}
		},
		"verifying": func(b *bog, r *rig, cfg *rotate.Config) {
			cfg.Throwaway.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if err := b.wait(ctx); err != nil {
					return nil, err
				}
				return r.connect(ctx, network, addr)
			}
		},
		"re-authenticating": func(b *bog, _ *rig, cfg *rotate.Config) {
			cfg.Hooks.BeforeReauthenticate = func(ctx context.Context, _ string) { _ = b.wait(ctx) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigOf(t, deribittest.KeyConfig{SecondFactor: true}, deribittest.Config{Tick: -1}, 4, nil)
				b := &bog{entered: make(chan struct{}), out: make(chan struct{})}
				r.with(t, func(cfg *rotate.Config) {
					cfg.SecondFactor = func(context.Context, rotate.Challenge) (string, error) {
						return r.server.SecondFactorCode(r.key.ID), nil
					}
					stick(b, r, cfg)
				})
				var wg sync.WaitGroup
				wg.Go(func() { r.rotate(t) })
				<-b.entered
				for range 3 {
					wg.Go(func() { r.ordersTakeNoTime(t) })
					<-time.After(time.Second)
				}
				close(b.out)
				wg.Wait()
				r.settled(t)
			})
		})
	}
}

func stuckSave(b *bog, which func(rotate.Record) bool) func(context.Context, rotate.Record) error {
	return func(ctx context.Context, record rotate.Record) error {
		if which(record) {
			return b.wait(ctx)
		}
		return nil
	}
}

func isIntent(r rotate.Record) bool    { return r.Intent != nil }
func isCandidate(r rotate.Record) bool { return len(r.Candidates) > 0 }

// ordersTakeNoTime places orders on every session at once.
func (r *rig) ordersTakeNoTime(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for _, s := range r.fleet {
		for i := range 8 {
			wg.Go(func() {
				began := time.Now()
				label := fmt.Sprintf("%s-%d-%d", s.Name(), i, began.UnixMilli())
				err := s.Call(t.Context(), "private/buy", map[string]any{
					"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 100, "label": label,
				}, nil)
				if took := time.Since(began); err != nil || took != 0 || r.server.Executed(label) != 1 {
					t.Errorf("order %s took %v and was executed %d times: %v", label, took, r.server.Executed(label), err)
				}
			})
		}
	}
	wg.Wait()
}

// watchR9 fails the test if at any frame or write no intent stands and the store's current secret is not the one that the exchange
// takes. It returns how often it looked.
func watchR9(t *testing.T, r *rig) (looked *atomic.Int64) {
	t.Helper()
	looked = &atomic.Int64{}
	holds := func(record rotate.Record) bool {
		looked.Add(1)
		return record.Version == 0 || record.Intent != nil || record.Current.Secret.Equal(r.secret())
	}
	r.store.saved = func(record rotate.Record) {
		if !holds(record) {
			t.Errorf("saved: %+v: it is not the exchange's", record)
		}
	}
	r.onFrame(func(f deribittest.Frame) {
		for {
			record := r.store.now()
			if holds(record) {
				return
			}
			if r.store.now().Version == record.Version { // else the exchange may have moved on since
				t.Errorf("at %s: %+v: it is not the exchange's", f.Method, record)
				return
			}
		}
	})
	return looked
}

// TestR9CurrentIsValid rotates without and with faults: at every frame and every write, a store without an intent has the secret that
// the exchange takes.
func TestR9CurrentIsValid(t *testing.T) {
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Reset: behaviour, Tick: -1}, 4, nil)
				looked := watchR9(t, r)
				authority := &lossy{Authority: r.cfg.Authority}
				r.with(t, func(cfg *rotate.Config) { cfg.Authority = authority })
				r.rotate(t)
				authority.request.Store(true)
				if _, err := r.rotator.Rotate(t.Context()); !errors.Is(err, rotate.ErrNotExecuted) {
					t.Errorf("a lost request: %v", err)
				}
				r.rotate(t)
				r.settled(t)
				authority.reply.Store(true)
				r.rotate(t)
				r.settled(t)
				authority.reply.Store(true)
				authority.dying.Store(true)
				if _, err := r.rotator.Rotate(t.Context()); behaviour.TokensRevoked {
					if _, locked := errors.AsType[*rotate.LockedOutError](err); !locked || r.store.now().Intent == nil {
						t.Errorf("a lost reply, and nobody to ask again: %v", err)
					}
					authority.dead.Store(false)
					r.byHand(t)
				} else if err != nil {
					t.Errorf("a lost reply, and a session to ask again: %v", err)
				}
				authority.dead.Store(false)
				authority.dying.Store(false)
				r.rotate(t)
				if looked.Load() < 100 {
					t.Errorf("looked %d times only", looked.Load())
				}
			})
		})
	}
}

// TestR12ReauthenticationKeepsWhatItHad: each authentication of a session has the client id, the scope and the session name of its first.
// Asks: franz-go#249.
func TestR12ReauthenticationKeepsWhatItHad(t *testing.T) {
	for _, behaviour := range behaviours {
		t.Run(behaviour.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scope := func(i int) string { return fmt.Sprintf("session:desk%d trade:read_write account:read", i) }
				r := newRig(t, deribittest.Config{Reset: behaviour, Tick: -1}, 4, func(i int, cfg *session.Config) { cfg.Scope = scope(i) })
				var mu sync.Mutex
				seen := map[string]int{}
				r.onFrame(func(f deribittest.Frame) {
					if p, ok := authOf(t, f); ok && p.ClientID == r.key.ClientID {
						mu.Lock()
						defer mu.Unlock()
						seen[p.Scope]++
					}
				})
				for range 3 {
					r.rotate(t)
				}
				r.settled(t)
				mu.Lock()
				defer mu.Unlock()
				for i := range r.fleet {
					if seen[scope(i)] != 3 {
						t.Errorf("%s authenticated %d times with what it had", r.fleet[i].Name(), seen[scope(i)])
					}
					delete(seen, scope(i))
				}
				if seen["connection"] != 3 || len(seen) != 1 { // the throwaway connections'
					t.Errorf("other authentications: %v", seen)
				}
			})
		})
	}
}

// TestR12NarrowerScope: a re-authentication that grants less than the one before is an error of its own type, whether the session had
// asked for a scope or taken what the key has.
func TestR12NarrowerScope(t *testing.T) {
	for _, scope := range []string{"", "connection trade:read_write account:read"} {
		t.Run(strings.ReplaceAll("asked for "+scope, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, deribittest.Config{Tick: -1}, 2, func(_ int, cfg *session.Config) { cfg.Scope = scope })
				r.rotate(t)
				narrow := map[string]any{"id": r.key.ID, "max_scope": "account:read trade:read"}
				if err := r.cfg.Authority.Call(t.Context(), "private/edit_api_key", narrow, nil); err != nil {
					t.Fatal(err)
				}
				_, err := r.rotator.Rotate(t.Context())
				degraded, ok := errors.AsType[*rotate.DegradedError](err)
				narrower, narrowed := errors.AsType[*session.ScopeError](err)
				if !ok || len(degraded.Sessions) != 2 || !narrowed || !strings.Contains(fmt.Sprint(narrower.Missing), "trade:read_write") {
					t.Errorf("error: %v", err)
				}
			})
		})
	}
}
