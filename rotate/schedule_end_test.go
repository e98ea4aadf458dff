package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestRunFails: what fails is tried again, more and more seldom.
// Asks: vault#21857.
func TestRunFails(t *testing.T) {
	notSent := &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.NotSent, Err: errDown}
	for name, breakIt := range map[string]func(p *process, failing func() bool){
		"reset": func(p *process, failing func() bool) {
			p.refuse = func(map[string]any) (string, error) {
				if failing() {
					return "", notSent
				}
				return "", nil
			}
		},
		"store": func(p *process, failing func() bool) {
			p.save = func(rotate.Record) error {
				if failing() {
					return errDown
				}
				return nil
			}
		},
		"lease": func(p *process, failing func() bool) {
			p.version = 1
			p.record = &rotate.Record{
				Version: 1, ClientID: clientID, Current: rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
			}
			var renew func()
			renew = func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 1, Expires: time.Now().Add(time.Minute)}
				if failing() {
					time.AfterFunc(30*time.Second, renew)
				}
			}
			renew()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				began := time.Now()
				breakIt(p, func() bool { return time.Since(began) < 12*time.Hour })
				var d diary
				d.runFor(t, p, rotate.Schedule{}, 15*time.Hour)
				turns := d.of(rotate.Rotated)
				if len(turns) != 1 || turns[0].Started.Sub(began) > 14*time.Hour || p.resets != 1 {
					t.Fatalf("rotations: %v, %d resets", turns, p.resets)
				}
				if failed := len(d.of(rotate.Aborted)); failed < 10 || failed > 40 {
					t.Errorf("tried %d times in 12 hours", failed)
				}
				settled(t, p)
			})
		})
	}
}

// TestRunFailsAnew: after a success the first failure is tried again soon.
func TestRunFailsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		calls := 0 // under the world's lock
		p.refuse = func(map[string]any) (string, error) {
			if calls++; calls < 8 || calls == 9 {
				return "", refusal(rpc.CodeInvalidParams, "")
			}
			return "", nil
		}
		var d diary
		d.runFor(t, p, rotate.Schedule{}, 2*day)
		turns, failed := d.of(rotate.Rotated), d.of(rotate.Aborted)
		if len(turns) < 2 || len(failed) != 8 {
			t.Fatalf("%d rotations, %d failures", len(turns), len(failed))
		}
		if wait := turns[1].Started.Sub(failed[7].Started); wait > 2*time.Minute {
			t.Errorf("tried again after %v", wait)
		}
	})
}

// TestRunNeedsAPerson: what trying again does not mend ends Run, at once.
func TestRunNeedsAPerson(t *testing.T) {
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for name, c := range map[string]struct {
		breakIt func(*process)
		want    func(error) bool
	}{
		"locked out": {func(p *process) { p.lost, p.revokes = true, true }, func(err error) bool {
			_, ok := errors.AsType[*rotate.LockedOutError](err)
			return ok
		}},
		"the secret of another key": {func(p *process) {
			p.reply = func(string) string {
				p.secret = firstWord // it was not this key that was reset
				return keyJSON("another", keyID, "CANARY-another")
			}
		}, func(err error) bool {
			unsaved, ok := errors.AsType[*rotate.UnsavedError](err)
			return ok && unsaved.Key.ClientID == "another"
		}},
		"no second factor": {func(p *process) {
			p.refuse = func(map[string]any) (string, error) {
				return `{"security_key_authorization_required":true,"challenge":"c","rp_id":"x","security_keys":[]}`, nil
			}
		}, is(rotate.ErrNoSecondFactor)},
		"another store": {func(p *process) {
			p.version = 1
			p.record = &rotate.Record{Version: 1, ClientID: "another", Current: rotate.Candidate{Generation: 1}}
		}, is(rotate.ErrMismatch)},
		"damaged store": {func(p *process) { p.save = func(rotate.Record) error { return rotate.ErrCorrupt } }, is(rotate.ErrCorrupt)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				c.breakIt(p)
				r := p.rotator(t, nil)
				began := time.Now()
				if err := r.Run(t.Context(), rotate.Schedule{}); !c.want(err) {
					t.Errorf("Run: %v", err)
				}
				if d := time.Since(began); d > 10*time.Minute || p.resets > 1 {
					t.Errorf("after %v, %d resets", d, p.resets)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestRunDegraded: sessions that were left behind are brought along, and do not keep the next rotation from its time.
func TestRunDegraded(t *testing.T) {
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.sessions[3].fault = errDown
			time.AfterFunc(2*time.Hour, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.sessions[3].fault = nil
			})
			var d diary
			d.runFor(t, p, rotate.Schedule{}, 6*time.Hour)
			if p.resets != 1 || len(d.of(rotate.Recovered)) != 1 || len(d.of(rotate.Degraded)) < 5 || len(d.of(rotate.Degraded)) > 12 {
				t.Errorf("%d resets: %v", p.resets, d.reports)
			}
			settled(t, p)
		})
	})
	t.Run("for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.sessions[3].deaf = true
			var d diary
			d.runFor(t, p, rotate.Schedule{}, 10*day)
			if p.resets < 10 || p.resets > 12 {
				t.Errorf("%d resets in 10 days", p.resets)
			}
			// Some five times while the waits grow to an hour, and 24 times a day then, give or take five of all for jitter.
			if tried := len(d.of(rotate.Degraded)); tried < 26*10 || tried > 33*10 {
				t.Errorf("tried %d times", tried)
			}
		})
	})
}

// slowTry has the verification of a new secret take five minutes, and tells of its beginning.
func slowTry(r *rotate.Rotator, p *process) (begun <-chan struct{}) {
	trying := make(chan struct{}, 1)
	outside := p.outside()
	outside.Try = func(ctx context.Context, c session.Credentials) error {
		trying <- struct{}{}
		<-time.After(5 * time.Minute)
		return p.tryCredentials(ctx, c)
	}
	rotate.SetOutside(r, outside)
	return trying
}

var errEnough = errors.New("enough")

// TestRunContextEnds: between rotations at once, in the middle of one when that has come to rest.
func TestRunContextEnds(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errEnough)
			p := newProcess(newWorld())
			if err := p.rotator(t, nil).Run(ctx, rotate.Schedule{}); !errors.Is(err, errEnough) || p.record != nil {
				t.Errorf("Run: %v, the store has %v", err, p.record)
			}
		})
	})
	t.Run("between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newProcess(newWorld())
			time.AfterFunc(90*time.Minute, func() { cancel(errEnough) })
			began := time.Now()
			if err := p.rotator(t, nil).Run(ctx, rotate.Schedule{}); !errors.Is(err, errEnough) || time.Since(began) != 90*time.Minute {
				t.Errorf("Run: %v after %v", err, time.Since(began))
			}
			settled(t, p)
		})
	})
	t.Run("in the middle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newProcess(newWorld())
			r := p.rotator(t, nil)
			begun := slowTry(r, p)
			go func() {
				<-begun
				cancel(errEnough)
			}()
			began := time.Now()
			if err := r.Run(ctx, rotate.Schedule{}); !errors.Is(err, errEnough) || time.Since(began) < 5*time.Minute {
				t.Errorf("Run: %v after %v", err, time.Since(began))
			}
			settled(t, p)
		})
	})
	t.Run("while the condition is asked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newProcess(newWorld())
			err := p.rotator(t, nil).Run(ctx, rotate.Schedule{Condition: func(context.Context) error {
				cancel(errEnough)
				return nil
			}})
			if !errors.Is(err, errEnough) || p.resets != 0 {
				t.Errorf("Run: %v, %d resets", err, p.resets)
			}
		})
	})
	t.Run("in a recovery that resets the key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newProcess(unfinished(t))
			p.record.Intent.Sent, p.record.Lease.Owner, p.secret, p.sessions[0].immortal = time.Now(), "", "CANARY-lost", true
			r := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = &slow{p.sessions[0], 10 * time.Second} })
			time.AfterFunc(5*time.Second, func() { cancel(errEnough) })
			if err := r.Run(ctx, rotate.Schedule{}); !errors.Is(err, errEnough) || p.resets != 2 {
				t.Errorf("Run: %v, %d resets", err, p.resets-1)
			}
			settled(t, p) // though nobody calls Close
		})
	})
	t.Run("in a recovery", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := newProcess(unfinished(t)) // it waits a minute for the lease
			r := p.rotator(t, nil)
			time.AfterFunc(time.Second, func() { cancel(errEnough) })
			began := time.Now()
			if err := r.Run(ctx, rotate.Schedule{}); !errors.Is(err, errEnough) || time.Since(began) != time.Second {
				t.Errorf("Run: %v after %v", err, time.Since(began))
			}
			if err := r.Close(t.Context()); err != nil || p.record.Intent == nil {
				t.Errorf("Close: %v, %+v", err, p.record)
			}
		})
	})
}

// TestRunClose: Close ends Run, waits for it, and leaves what Recover needs.
func TestRunClose(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // the beginning of the first verification
		rest  bool          // the rotation has come to rest
	}{"in the middle": {0, false}, "between": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				r := p.rotator(t, nil)
				begun := slowTry(r, p)
				p.try = func() error {
					if c.rest {
						return nil
					}
					return errDown
				}
				ended := make(chan error, 1)
				go func() { ended <- r.Run(t.Context(), rotate.Schedule{}) }()
				<-begun
				<-time.After(c.after)
				if err := r.Close(t.Context()); err != nil {
					t.Errorf("Close: %v", err)
				}
				if err := <-ended; !errors.Is(err, rotate.ErrClosed) || !c.rest && !errors.Is(err, errDown) {
					t.Errorf("Run: %v", err)
				}
				if stored := p.isStored(session.NewSecret([]byte(p.secret))); !stored || c.rest != (p.record.Intent == nil) {
					t.Errorf("left behind: %+v", p.record)
				}
				if err := r.Run(t.Context(), rotate.Schedule{}); !errors.Is(err, rotate.ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			})
		})
	}
}
