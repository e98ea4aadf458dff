package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rotate/memstore"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// lastMinute is an authority whose answer to a reset is in just when it is given up, or lost.
type lastMinute struct {
	*fakeSession
	lost bool
}

func (a *lastMinute) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	raw, err := a.fakeSession.CallRaw(ctx, method, params, dst)
	if method != "private/reset_api_key" || err != nil {
		return raw, err
	}
	<-ctx.Done()
	if a.lost {
		return dst, &rpc.CallError{Method: method, Outcome: rpc.Unknown, Err: ctx.Err()}
	}
	return raw, nil
}

// crawling is a store that takes no new secret before ctx ends.
type crawling struct{ rotate.Store }

func (s crawling) Save(ctx context.Context, record rotate.Record, ifVersion uint64) (uint64, error) {
	if len(record.Candidates) > 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.Store.Save(ctx, record, ifVersion)
}

// impatience is a Close whose ctx ends in the middle of a rotation.
type impatience struct {
	change    func(*process, *rotate.Config)
	unsaved   bool          // what Close says
	outlasted time.Duration // by how much Close outlasts its ctx
	stored    bool          // what is left behind, beside a lease that is free
	spared    bool
}

// TestImpatientClose: what a Close interrupts has a secret that has come stored, or else told and put into the second store, each once, and
// gives up the lease. The next process recovers.
func TestImpatientClose(t *testing.T) {
	for name, test := range map[string]impatience{
		"stored": {
			change: func(p *process, cfg *rotate.Config) { cfg.Authority = &lastMinute{fakeSession: p.sessions[0]} },
			stored: true,
		},
		"in Spare": {
			change:  func(p *process, cfg *rotate.Config) { cfg.Store = crawling{&memoryStore{p}} },
			unsaved: true, outlasted: 2 * time.Second, spared: true,
		},
		"lease free": {
			change: func(p *process, cfg *rotate.Config) {
				cfg.Authority = &lastMinute{fakeSession: p.sessions[0], lost: true}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.try(t) })
		})
	}
}

func (test impatience) try(t *testing.T) {
	t.Helper()
	w := newWorld()
	p := newProcess(w)
	spare, told := memstore.New(), 0
	r := p.rotator(t, func(cfg *rotate.Config) {
		test.change(p, cfg)
		cfg.Spare = spare
		cfg.Hooks.OnUnsaved = func(ctx context.Context, _ rotate.APIKey, _ error) {
			told++
			if ctx.Err() != nil {
				t.Errorf("OnUnsaved has no time: %v", ctx.Err())
			}
		}
	})
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := r.Rotate(t.Context())
		done <- err
	}()
	<-time.After(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := r.Close(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || isA[*rotate.UnsavedError](err) != test.unsaved {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took != 3*time.Second+test.outlasted {
		t.Errorf("Close was back after %v", took)
	}
	if err := <-done; err == nil {
		t.Error("Rotate says nothing of its interruption")
	}
	now := session.NewSecret([]byte(w.secret))
	kept, err := spare.Load(t.Context())
	if spared := err == nil && kept.Current.Secret.Equal(now); spared != test.spared || told > 0 != test.unsaved {
		t.Errorf("told %d times, the second store: %v", told, err)
	}
	if w.isStored(now) != test.stored || w.record.Lease.Owner != "" {
		t.Errorf("the secret is stored: %t; the lease: %+v", w.isStored(now), w.record.Lease)
	}

	w.broken = nil // R10: this world does not know of the second store
	next := newProcess(w)
	report, err := next.rotator(t, func(cfg *rotate.Config) { cfg.Spare = spare }).Recover(t.Context())
	if err != nil || report.Outcome != rotate.Recovered {
		t.Errorf("%v, %v", report, err)
	}
	settled(t, next)
}

// TestImpatientCloseBeforeTheReset: nothing was sent by then, and nothing is left to recover.
func TestImpatientCloseBeforeTheReset(t *testing.T) {
	for name, hold := range map[string]func(cfg *rotate.Config, p *process){
		"in BeforeReset": func(cfg *rotate.Config, _ *process) {
			cfg.Hooks.BeforeReset = func(ctx context.Context, _ rotate.Plan) error {
				<-ctx.Done()
				return ctx.Err()
			}
		},
		"asked for a code": func(cfg *rotate.Config, p *process) {
			p.refuse = func(map[string]any) (string, error) {
				return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
			}
			cfg.SecondFactor = func(ctx context.Context, _ rotate.Challenge) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				p := newProcess(w)
				r := p.rotator(t, func(cfg *rotate.Config) { hold(cfg, p) })
				done := make(chan error, 1)
				go func() {
					_, err := r.Rotate(t.Context())
					done <- err
				}()
				<-time.After(time.Second)
				ended, end := context.WithCancel(t.Context())
				end()
				if err := r.Close(ended); !errors.Is(err, context.Canceled) {
					t.Errorf("Close: %v", err)
				}
				if err := <-done; err == nil {
					t.Error("Rotate says nothing of its interruption")
				}
				if w.record.Intent != nil || w.record.Lease.Owner != "" {
					t.Errorf("left behind: %+v, %+v", w.record.Intent, w.record.Lease)
				}
			})
		})
	}
}
