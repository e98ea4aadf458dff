package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
)

// TestFactorAsError turns a key over an exchange that asks for the second factor by error 13668.
func TestFactorAsError(t *testing.T) {
	for _, strategy := range []rotate.Strategy{rotate.Replace, rotate.ResetInPlace} {
		t.Run(strategy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1, SecondFactorError: true},
					deribittest.KeyConfig{Name: "trader", SecondFactor: true})
				defer b.close(t)
				rounds := make(map[string]int)
				r := b.second(t, template, func(c *rotate.Config) {
					c.Strategy, c.AcceptLockout = strategy, true
					c.SecondFactor = func(ctx context.Context, asked rotate.Challenge) (string, error) {
						rounds[asked.Method]++
						return b.code(ctx, asked)
					}
				})
				if report, err := r.Rotate(t.Context()); err != nil {
					t.Errorf("%v, %v", report, err)
				}
				if len(rounds) == 0 {
					t.Error("nobody was asked")
				}
				for method, n := range rounds {
					if n > 2 {
						t.Errorf("asked %d times for %s", n, method)
					}
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestFactorAsErrorWithoutCode: an empty code is no code, and is not asked for again.
func TestFactorAsErrorWithoutCode(t *testing.T) {
	for _, strategy := range []rotate.Strategy{rotate.Replace, rotate.ResetInPlace} {
		t.Run(strategy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, template := memoryBench(t, deribittest.Config{Tick: -1, SecondFactorError: true},
					deribittest.KeyConfig{Name: "trader", SecondFactor: true})
				defer b.close(t)
				asked := 0
				r := b.second(t, template, func(c *rotate.Config) {
					c.Strategy, c.AcceptLockout = strategy, true
					c.SecondFactor = func(context.Context, rotate.Challenge) (string, error) {
						asked++
						return "", nil
					}
				})
				_, err := r.Rotate(t.Context())
				refused, ok := errors.AsType[*rotate.SecondFactorError](err)
				if !ok || refused.Reason != "tfa_code_is_required" || asked != 1 {
					t.Errorf("asked %d times: %v", asked, err)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
