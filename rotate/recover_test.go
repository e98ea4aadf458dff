package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// live runs a process until it has rotated or is dead, and reports which.
func live(t *testing.T, p *process) (died bool) {
	t.Helper()
	r := p.rotator(t, nil)
	done := make(chan error, 1)
	go func() {
		_, err := r.Rotate(t.Context())
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("a rotation that nothing has interrupted: %v", err)
		}
		return false
	case <-p.dead:
	}
	kill, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.Close(kill) // what a dead process says counts for nothing
	<-done
	return true
}

// TestI6SecretFirstStored kills the process after each of its steps: each access to the store before and after it has its
// effect, each call, each authentication. No secret is ever used before it is stored. What was stored is found by the next
// process, which goes on with what the exchange takes. One window cannot be closed by the client: between the moment at which
// the exchange resets the key and the moment at which the answer is stored. There the next process has the key reset again by a token
// that has outlived the reset; if none has, it says that it is locked out.
// Asks: vault#6042, vault#8782, aws-secrets-manager-rotation-lambdas#168.
func TestI6SecretFirstStored(t *testing.T) {
	for _, revokes := range []bool{false, true} {
		t.Run(fmt.Sprintf("tokens revoked: %t", revokes), deaths{revokes}.atEachStep)
	}
}

// deaths are those of a process in a world in which a reset ends all tokens, or none.
type deaths struct{ revokes bool }

func (d deaths) atEachStep(t *testing.T) {
	windows := 0
	for last := 1; ; last++ {
		if last > 200 {
			t.Fatal("no end of steps")
		}
		died := false
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.revokes = d.revokes
			first := newProcess(w)
			first.last = last
			died = live(t, first)
			if !died {
				settled(t, first)
				return
			}
			lost := w.record != nil && !w.isStored(session.NewSecret([]byte(w.secret)))
			second := newProcess(w)
			report, err := second.rotator(t, nil).Recover(t.Context())
			if lost {
				windows++
			}
			if lost && d.revokes {
				if _, ok := errors.AsType[*rotate.LockedOutError](err); !ok || report.Outcome != rotate.LockedOut {
					t.Errorf("step %d: locked out: %v, %v", last, report, err)
				}
				if len(w.record.Candidates) != 0 || !w.record.Current.Secret.Equal(session.NewSecret([]byte(firstWord))) {
					t.Errorf("step %d: something was dropped", last)
				}
				return
			}
			if err != nil {
				t.Fatalf("step %d: %v", last, err)
			}
			if _, err := second.rotator(t, func(cfg *rotate.Config) {
				cfg.LeaseTTL = time.Minute
			}).Rotate(laterThanLease(t)); err != nil {
				t.Fatalf("step %d: the next rotation: %v", last, err)
			}
			settled(t, second)
		})
		if !died {
			break
		}
	}
	if windows == 0 || windows > 4 {
		t.Errorf("%d steps lie in the window, from the reset to the store's answer", windows)
	}
}

// laterThanLease waits until the lease of a dead process has ended.
func laterThanLease(t *testing.T) context.Context {
	t.Helper()
	<-time.After(time.Minute)
	return t.Context()
}

// TestR2LostReply: a reset whose answer is lost is never taken for one or the other. The secrets that are known decide.
func TestR2LostReply(t *testing.T) {
	t.Run("not executed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.refuse = func(map[string]any) (string, error) {
				return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.Unknown, Err: errDown}
			}
			report, err := p.rotator(t, nil).Rotate(t.Context())
			unknown, ok := errors.AsType[*rotate.UnknownOutcomeError](err)
			if !errors.Is(err, rotate.ErrNotExecuted) || !ok || unknown.KeyID != keyID || report.Outcome != rotate.Aborted {
				t.Errorf("%v, %v", report, err)
			}
			settled(t, p)
		})
	})
	t.Run("executed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.lost, p.revokes = true, true
			r := p.rotator(t, nil)
			report, err := r.Rotate(t.Context())
			locked, ok := errors.AsType[*rotate.LockedOutError](err)
			if !ok || locked.Tried != 1 || report.Outcome != rotate.LockedOut || p.record.Intent == nil {
				t.Fatalf("%v, %v", report, err)
			}
			if !p.keyring.IsShut() {
				t.Error("the gate is open: sessions would authenticate with a dead secret")
			}
			// A person does what the error says.
			for _, step := range []string{
				"all 1 known secrets. Do not restart what still runs. 1. Reset the key", "2. keyring.Publish the new secret", "3. Call Recover",
			} {
				if !strings.Contains(err.Error(), step) {
					t.Errorf("it does not say %q: %v", step, err)
				}
			}
			byHand := session.Credentials{
				ClientID: clientID, Secret: session.NewSecret([]byte(p.secret)), Generation: p.keyring.Current().Generation + 1,
			}
			if err := p.keyring.Publish(byHand); err != nil {
				t.Fatal(err)
			}
			if report, err = r.Recover(t.Context()); err != nil || report.Outcome != rotate.Recovered {
				t.Fatalf("%v, %v", report, err)
			}
			settled(t, p)
		})
	})
	t.Run("executed, and a token lives", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.reply = func(raw string) string {
				p.lost = p.resets == 1
				return raw
			}
			began := time.Now()
			report, err := p.rotator(t, nil).Rotate(t.Context())
			if err != nil || report.Outcome != rotate.Rotated || p.resets != 2 {
				t.Errorf("%v, %v", report, err)
			}
			// The first reset has been executed, but who knows: the intent stands until it cannot be any more.
			if took := time.Since(began); took < time.Minute || took > 70*time.Second {
				t.Errorf("it took %v", took)
			}
			settled(t, p)
		})
	})
	t.Run("not sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newProcess(newWorld())
			p.refuse = func(map[string]any) (string, error) {
				return "", &rpc.CallError{Method: "private/reset_api_key", Outcome: rpc.NotSent, Err: errDown}
			}
			report, err := p.rotator(t, nil).Rotate(t.Context())
			if !errors.Is(err, errDown) || report.Outcome != rotate.Aborted {
				t.Errorf("%v, %v", report, err)
			}
			for _, e := range p.events {
				if e[:3] == "try" {
					t.Error("a reset that was not sent needs no probe")
				}
			}
			settled(t, p)
		})
	})
}

// TestR10NothingReceivedIsDropped: a verification that cannot be made is no refusal; the rotation waits.
func TestR10NothingReceivedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		began := time.Now()
		p.try = func() error {
			if time.Since(began) < 10*time.Minute {
				return errDown
			}
			return nil
		}
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
	})
}

// TestI7CloseWhileNothingAnswers: closing leaves in the store what Recover needs.
func TestI7CloseWhileNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.try = func() error { return errDown }
		r := p.rotator(t, nil)
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(time.Minute)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, rotate.ErrClosed) || !errors.Is(err, errDown) {
			t.Errorf("error: %v", err)
		}
		if p.record.Intent == nil || len(p.record.Candidates) != 1 || !p.keyring.IsShut() {
			t.Errorf("left behind: %+v", p.record)
		}
		if _, err := r.Rotate(t.Context()); !errors.Is(err, rotate.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		p.try = nil
		next := newProcess(p.world)
		report, err := next.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered {
			t.Fatalf("%v, %v", report, err)
		}
		settled(t, next)
	})
}

// TestUnsaved: a secret that the store does not take is held, offered to the hook, and stored as soon as that works.
func TestUnsaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		full := errors.New("no space left")
		var failedAt time.Time
		p.save = func(r rotate.Record) error {
			if len(r.Candidates) == 0 {
				return nil
			}
			if failedAt.IsZero() {
				failedAt = time.Now()
			}
			if time.Since(failedAt) < time.Hour {
				return full
			}
			return nil
		}
		offered := 0
		report, err := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.OnUnsaved = func(_ context.Context, key rotate.APIKey, err error) {
				offered++
				if !key.Secret.Equal(session.NewSecret([]byte(p.secret))) || !errors.Is(err, full) {
					t.Errorf("offered: %v, %v", key, err)
				}
			}
		}).Rotate(t.Context())
		if err != nil || offered != 1 || report.Outcome != rotate.Rotated {
			t.Fatalf("%v, %v, offered %d times", report, err, offered)
		}
		settled(t, p)
	})
}

// TestUnsavedAtClose: the last thing that a Rotator can do with a secret that it cannot store is to hand it over.
func TestUnsavedAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.save = func(r rotate.Record) error {
			if len(r.Candidates) > 0 {
				return errDown
			}
			return nil
		}
		r := p.rotator(t, nil)
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for _, err := range []error{r.Close(ctx), <-done} {
			unsaved, ok := errors.AsType[*rotate.UnsavedError](err)
			if !ok || !unsaved.Key.Secret.Equal(session.NewSecret([]byte(p.secret))) || !errors.Is(err, errDown) {
				t.Errorf("error: %v", err)
			}
		}
		if len(p.world.broken) > 0 {
			t.Errorf("broken: %v", p.world.broken)
		}
	})
}

// TestForeignReset: a secret that was refused stays a candidate, for somebody else's reset came in between.
func TestForeignReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.try = func() error {
			p.secret = "CANARY-foreign"
			return nil
		}
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if _, ok := errors.AsType[*rotate.LockedOutError](err); !ok || !errors.Is(err, rotate.ErrForeignReset) || report.Outcome != rotate.LockedOut {
			t.Fatalf("%v, %v", report, err)
		}
		if len(p.record.Candidates) != 1 || p.record.Intent == nil {
			t.Errorf("left behind: %+v", p.record)
		}
	})
}

// TestOtherRotatorsCandidate: a candidate that came between verification and promotion keeps the intent up, and is tried.
func TestOtherRotatorsCandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.try = func() error {
			if p.resets == 1 { // another rotator, which has lost its lease, wakes up
				p.resets++
				p.secret = "CANARY-late"
				late := rotate.Candidate{Secret: session.NewSecret([]byte(p.secret)), Generation: 3, Rotation: "late"}
				p.record.Candidates = append(p.record.Candidates, late)
				return nil
			}
			return nil
		}
		// The exchange took the first secret just before the other rotator reset the key.
		r := p.rotator(t, nil)
		took := false
		outside := p.outside()
		outside.Try = func(ctx context.Context, c session.Credentials) error {
			err := p.tryCredentials(ctx, c)
			if !took {
				took = true
				return nil
			}
			return err
		}
		rotate.SetOutside(r, outside)
		report, err := r.Rotate(t.Context())
		if err != nil || report.NewGeneration != 3 {
			t.Fatalf("%v, %v", report, err)
		}
		settled(t, p)
	})
}

// TestSecondFactor plays the challenge, in the two forms that the exchange documents, and each reason with which an answer is refused.
func TestSecondFactor(t *testing.T) {
	const demand = `{"security_key_authorization_required":true,"rp_id":"deribit.com","challenge":"CANARY-challenge",` +
		`"security_keys":[{"type":"tfa","name":"phone"}]}`
	for _, test := range []struct {
		reasons []string // with which the answers are refused, one after another
		asked   int
		resets  int
	}{
		{nil, 1, 1},
		{[]string{"used_tfa_code"}, 2, 1},
		{[]string{"challenge_timeout"}, 2, 1},
		{[]string{"used_tfa_code", "used_tfa_code"}, 2, 0},
		{[]string{"tfa_code_not_matched"}, 1, 0},
		{[]string{"tfa_code_is_required"}, 1, 0},
	} {
		for form, asError := range map[string]bool{"challenge": false, "error": true} {
			t.Run(fmt.Sprint(test.reasons, " after the ", form), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newProcess(newWorld())
					refusals := test.reasons
					token, rpid, device := any("CANARY-challenge"), "deribit.com", []rotate.SecurityKey{{Type: "tfa", Name: "phone"}}
					if asError {
						token, rpid, device = nil, "", nil
					}
					p.refuse = func(params map[string]any) (string, error) {
						switch {
						case params["authorization_data"] == nil && asError:
							return "", refusal(session.CodeSecurityKey, "tfa_code_is_required")
						case params["authorization_data"] == nil:
							return demand, nil
						case params["challenge"] != token || params["id"] != float64(keyID):
							t.Errorf("params: %v", params)
						case len(refusals) > 0:
							reason := refusals[0]
							refusals = refusals[1:]
							return "", refusal(session.CodeSecurityKey, reason)
						}
						return "", nil
					}
					asked := 0
					report, err := p.rotator(t, func(cfg *rotate.Config) {
						cfg.SecondFactor = func(_ context.Context, c rotate.Challenge) (string, error) {
							asked++
							if c.Round != asked || c.RPID != rpid || !slices.Equal(c.Keys, device) {
								t.Errorf("challenge: %+v", c)
							}
							if p.keyring.IsShut() {
								t.Error("sessions wait while a person looks for the code")
							}
							return "123456", nil
						}
					}).Rotate(t.Context())
					if asked != test.asked || p.resets != test.resets {
						t.Errorf("asked %d times, %d resets", asked, p.resets)
					}
					if test.resets == 1 && err != nil {
						t.Error(err)
					}
					refused, ok := errors.AsType[*rotate.SecondFactorError](err)
					if test.resets == 0 && (!ok || refused.Reason != test.reasons[0] || report.Outcome != rotate.Aborted) {
						t.Errorf("%v, %v", report, err)
					}
					settled(t, p)
				})
			})
		}
	}
}
