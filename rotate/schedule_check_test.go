package rotate_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestCheck: all that comes before the reset is done, and nothing is left of it.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var told []rotate.Outcome
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.Finished = func(_ context.Context, report rotate.Report) { told = append(told, report.Outcome) }
		})
		report, err := r.Check(t.Context())
		if err != nil || report.Outcome != rotate.Checked || report.Trigger != rotate.TriggerCheck || report.NewGeneration != 0 {
			t.Fatalf("%v, %v", report, err)
		}
		kinds := []rotate.StepKind{}
		for _, s := range report.Steps {
			kinds = append(kinds, s.Kind)
		}
		if !slices.Equal(kinds, []rotate.StepKind{rotate.StepLease, rotate.StepPreflight}) {
			t.Errorf("steps: %v", kinds)
		}
		p.skew = time.Minute
		report, err = r.Check(t.Context())
		if refused, ok := errors.AsType[*rotate.PreflightError](err); !ok || refused.Check != "clock" || report.Outcome != rotate.Aborted {
			t.Errorf("a clock that is off: %v, %v", report, err)
		}
		if !slices.Equal(told, []rotate.Outcome{rotate.Checked, rotate.Aborted}) {
			t.Errorf("told of %v", told)
		}
		if p.resets != 0 {
			t.Errorf("%d resets", p.resets)
		}
		settled(t, p)
	})
}

// TestCheckSendsNoReset: what is unfinished a check leaves alone, whoever could have its secrets tried, its key reset or keys removed.
func TestCheckSendsNoReset(t *testing.T) {
	published := session.Credentials{ClientID: clientID, Secret: session.NewSecret([]byte("CANARY-person")), Generation: 3}
	for name, begin := range map[string]func(*process){
		"a secret to try": func(*process) {},
		"a key to reset": func(p *process) {
			p.record.Intent.Sent, p.secret, p.sessions[0].immortal = time.Now(), "CANARY-lost", true
		},
		"keys to remove": func(p *process) {
			p.record.Intent, p.secret = nil, firstWord
			p.record.Replacement = &rotate.Replacement{ID: "dead", Name: "hf_dead", Sent: time.Now()}
		},
		"a secret that a person has published": func(p *process) {
			p.record.Intent, p.secret = nil, "CANARY-person"
			if err := p.keyring.Publish(published); err != nil {
				t.Error(err)
			}
		},
	} {
		for _, strategy := range []rotate.Strategy{rotate.ResetInPlace, rotate.Replace} {
			t.Run(name+", "+strategy.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newProcess(unfinished(t))
					begin(p)
					r := p.rotator(t, func(cfg *rotate.Config) {
						cfg.Strategy, cfg.TakeBack = strategy, true
						cfg.SecondFactor = func(context.Context, rotate.Challenge) (string, error) { return "123456", nil }
					})
					_, err := r.Check(t.Context())
					if _, held := errors.AsType[*rotate.LeaseHeldError](err); !held {
						t.Errorf("while somebody may be at work: %v", err)
					}
					<-time.After(time.Minute) // the lease of who has died
					report, err := r.Check(t.Context())
					if !errors.Is(err, rotate.ErrUnfinished) || report.Outcome != rotate.Aborted {
						t.Errorf("%v, %v", report, err)
					}
					if p.resets != 1 || len(p.events) != 0 || p.version != 5 {
						t.Errorf("%d resets, version %d of the store, done: %q", p.resets-1, p.version, p.events)
					}
				})
			})
		}
	}
}

// TestCheckBesideRotate: a check does not pass a rotation off as its own.
func TestCheckBesideRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var r *rotate.Rotator
		checked := make(chan rotate.Report, 1)
		r = p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(ctx context.Context, _ rotate.Plan) error {
				go func() {
					report, err := r.Check(context.WithoutCancel(ctx))
					if err != nil {
						t.Error(err)
					}
					checked <- report
				}()
				synctest.Wait()
				return nil
			}
		})
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := <-checked; report.Outcome != rotate.Checked || report.OldGeneration != 2 || p.resets != 1 {
			t.Errorf("%v, %d resets", report, p.resets)
		}
	})
}

// TestRecoverCatchesUp: sessions that a rotation has left behind are brought to its secret, without another one.
func TestRecoverCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[1].fault = errDown
		r := p.rotator(t, nil)
		isBehind := func(act func(context.Context) (rotate.Report, error)) {
			t.Helper()
			report, err := act(t.Context())
			degraded, ok := errors.AsType[*rotate.DegradedError](err)
			if !ok || !slices.Equal(degraded.Sessions, []string{"s1"}) || report.Outcome != rotate.Degraded {
				t.Fatalf("%v, %v", report, err)
			}
		}
		isBehind(r.Rotate)
		isBehind(r.Recover)
		p.sessions[1].fault = nil
		report, err := r.Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || report.KeyID != keyID || report.NewGeneration != 0 || report.OldGeneration != 2 {
			t.Errorf("%v, %v", report, err)
		}
		if p.resets != 1 {
			t.Errorf("%d resets", p.resets)
		}
		settled(t, p)
	})
}

// TestRecoverLeavesTheDisconnected: a session without a connection takes the current secret by itself, and is not waited for.
func TestRecoverLeavesTheDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.sessions[1].generation, p.sessions[1].closed = 0, true
		report, err := r.Recover(t.Context())
		if err != nil || report.Outcome != rotate.Unchanged || len(report.Sessions) != 0 {
			t.Errorf("%v, %v", report, err)
		}
	})
}
