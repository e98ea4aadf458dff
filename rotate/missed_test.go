package rotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// guarded is a second key whose resets but the first want a code.
type guarded struct {
	*secondKey
	calls int
}

func (a *guarded) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	text, err := json.Marshal(params)
	if err != nil || method != "private/reset_api_key" {
		return a.secondKey.CallRaw(ctx, method, params, dst)
	}
	if a.calls++; a.calls > 1 && !strings.Contains(string(text), "authorization_data") {
		return append(dst, `{"security_key_authorization_required":true,"rp_id":"deribit.com","challenge":"CANARY-challenge",`+
			`"security_keys":[{"type":"tfa","name":"phone"}]}`...), nil
	}
	if strings.Contains(string(text), "mistyped") {
		return dst, refusal(session.CodeSecurityKey, "tfa_code_not_matched")
	}
	return a.secondKey.CallRaw(ctx, method, params, dst)
}

// inDoubt is a process whose first reset loses its answer and ends all tokens, and its authority.
func inDoubt() (*process, *guarded) {
	w := newWorld()
	w.revokes = true
	w.reply = func(raw string) string {
		w.lost = w.resets == 1
		return raw
	}
	p := newProcess(w)
	return p, &guarded{secondKey: newSecondKey(p)}
}

// nobody does not answer.
func nobody(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// TestMissedCodeInDoubt: the answer to a reset is lost, the reset that would heal it wants a code, and nobody gives one in time, or the
// right one. Whoever is told is not sent to the website: a Recover that is answered heals it.
func TestMissedCodeInDoubt(t *testing.T) {
	for name, answer := range map[string]func(context.Context) (string, error){
		"nobody answers":  nobody,
		"a mistyped code": func(context.Context) (string, error) { return "mistyped", nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, authority := inDoubt()
				var answers atomic.Bool // a hook that was left behind is joined by Close alone
				r := p.rotator(t, func(cfg *rotate.Config) {
					cfg.Authority = authority
					cfg.SecondFactor = func(ctx context.Context, _ rotate.Challenge) (string, error) {
						if answers.Load() {
							return "123456", nil
						}
						return answer(ctx)
					}
				})
				report, err := r.Rotate(t.Context())
				if !isA[*rotate.LockedOutError](err) || report.Outcome != rotate.LockedOut {
					t.Fatalf("%v, %v", report, err)
				}
				if !isA[*rotate.HookError](err) && !isA[*rotate.SecondFactorError](err) {
					t.Errorf("it does not match the code that is missing: %v", err)
				}
				if !strings.Contains(err.Error(), "Call Recover and answer with a code") {
					t.Errorf("it does not say what to do: %v", err)
				}
				// A person does what it says.
				answers.Store(true)
				if report, err = r.Recover(t.Context()); err != nil || report.Outcome != rotate.Recovered || p.resets != 2 {
					t.Errorf("%v, %v after %d resets", report, err, p.resets)
				}
				settled(t, p)
			})
		})
	}
}

// TestRunAsksAgainForAMissedCode: at three in the morning nobody answers. Whoever comes at eight is asked again.
func TestRunAsksAgainForAMissedCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, authority := inDoubt()
		began := time.Now()
		var asked atomic.Int64
		var d diary
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Authority, cfg.Hooks.Finished = authority, d.keep
			cfg.SecondFactor = func(ctx context.Context, _ rotate.Challenge) (string, error) {
				if asked.Add(1); time.Since(began) < 5*time.Hour {
					return nobody(ctx)
				}
				return "123456", nil
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Hour)
		defer cancel()
		if err := r.Run(ctx, rotate.Schedule{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(d.of(rotate.Recovered)) != 1 || p.resets != 2 || asked.Load() < 5 || asked.Load() > 20 {
			t.Errorf("asked %d times, %d resets, reports: %v", asked.Load(), p.resets, d.of(rotate.Recovered))
		}
		settled(t, p)
	})
}
