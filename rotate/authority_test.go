package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// newSameKey is an authority that is a session of the key itself.
func newSameKey(p *process) *fakeSession { return &fakeSession{process: p, name: "same"} }

// nameless is an authority that does not know of which key it is.
type nameless struct{ rotate.Authority }

func (nameless) ClientID() string { return "" }

// TestNoRecoveryAuthority: where a lost answer could lock the key out for good, no reset is sent unless somebody has accepted that.
func TestNoRecoveryAuthority(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*process, *rotate.Config)
		refused bool
	}{
		{"none", func(*process, *rotate.Config) {}, true},
		{"tokens survive", func(_ *process, c *rotate.Config) { c.TokensSurvive = true }, false},
		{"a lockout is accepted", func(_ *process, c *rotate.Config) { c.AcceptLockout = true }, false},
		{"a session of the same key", func(p *process, c *rotate.Config) {
			c.Authority = newSameKey(p)
		}, true},
		{"one of the same key whose tokens survive", func(p *process, c *rotate.Config) {
			c.Authority, c.TokensSurvive = newSameKey(p), true
		}, false},
		{"another key", func(p *process, c *rotate.Config) { c.Authority = newSecondKey(p) }, false},
		{"a wrapper around a session of the same key", func(p *process, c *rotate.Config) {
			c.Authority = struct{ rotate.Authority }{newSameKey(p)}
		}, true},
		{"one that does not know of which key it is", func(p *process, c *rotate.Config) { c.Authority = nameless{newSecondKey(p)} }, true},
		{"a wrapper around another key's", func(p *process, c *rotate.Config) {
			c.Authority = struct{ rotate.Authority }{newSecondKey(p)}
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				r := p.rotator(t, func(c *rotate.Config) {
					c.AcceptLockout = false
					test.change(p, c)
				})
				_, checked := r.Check(t.Context())
				report, err := r.Rotate(t.Context())
				for _, err := range []error{checked, err} {
					failed, ok := errors.AsType[*rotate.PreflightError](err)
					if errors.Is(err, rotate.ErrNoRecoveryAuthority) != test.refused || test.refused && (!ok || failed.Check != "authority") {
						t.Errorf("error: %v", err)
					}
				}
				if !test.refused {
					if err != nil || report.Outcome != rotate.Rotated || p.resets != 1 {
						t.Errorf("%v, %v, %d resets", err, report.Outcome, p.resets)
					}
					settled(t, p)
					return
				}
				if report.Outcome != rotate.Aborted {
					t.Errorf("report: %v", report)
				}
				p.untouched(t)
			})
		})
	}
}

// untouched fails the test unless no reset was sent and no intent was ever stored.
func (p *process) untouched(t *testing.T) {
	t.Helper()
	intended := slices.ContainsFunc(p.events, func(e string) bool { return strings.HasPrefix(e, "save intent=true") })
	if p.resets != 0 || slices.Contains(p.events, "reset") || intended || p.keyring.IsShut() {
		t.Errorf("%d resets, an intent was stored: %t, the gate is shut: %t, %v", p.resets, intended, p.keyring.IsShut(), p.events)
	}
	settled(t, p)
}

// TestF5NoRescueToken: where the key's own token is all that could reset it again, and none can be had, no reset is sent.
func TestF5NoRescueToken(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*process, *rotate.Config)
		minted  bool
		refused bool
	}{
		{"nobody else", func(_ *process, c *rotate.Config) { c.TokensSurvive = true }, true, true},
		{"another key", func(p *process, c *rotate.Config) { c.Authority = newSecondKey(p) }, false, false},
		{"a lockout is accepted", func(_ *process, c *rotate.Config) { c.AcceptLockout = true }, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				r := p.rotator(t, func(c *rotate.Config) {
					c.AcceptLockout = false
					test.change(p, c)
				})
				outside, asked := p.outside(), 0
				outside.Mint = func(context.Context, session.Credentials, string) (session.Secret, error) {
					asked++
					return session.Secret{}, refusal(session.CodeForbidden, "")
				}
				rotate.SetOutside(r, outside)
				report, err := r.Rotate(t.Context())
				if (asked > 0) != test.minted {
					t.Errorf("%d tokens asked for", asked)
				}
				if !test.refused {
					if err != nil || p.resets != 1 {
						t.Errorf("%v, %d resets", err, p.resets)
					}
					settled(t, p)
					return
				}
				refused, ok := errors.AsType[*rpc.Error](err)
				if !ok || refused.Code != session.CodeForbidden || !strings.Contains(err.Error(), "rescue token") || report.Outcome != rotate.Aborted {
					t.Errorf("%v, %v", err, report.Outcome)
				}
				p.untouched(t)
			})
		})
	}
}

// TestRescueTokenEnds: the rescue token may do what a reset needs and no more, has a session of its own, and the exchange ends it
// within the hour that its loss is said to cost.
func TestRescueTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Tick: -1}, 1, nil)
		r.with(t, func(c *rotate.Config) { c.Authority, c.TokensSurvive = nil, true })
		var mu sync.Mutex // protects the two
		var scopes []string
		var rescue session.Secret
		r.onFrame(func(f deribittest.Frame) {
			mu.Lock()
			defer mu.Unlock()
			if params, ok := authOf(t, f); ok && strings.Contains(params.Scope, "-rescue") {
				scopes = append(scopes, params.Scope)
			}
			if f.Method == "private/reset_api_key" && f.Incoming {
				rescue = r.store.now().Intent.Rescue
			}
		})
		report := r.rotate(t)
		mu.Lock()
		defer mu.Unlock()
		want := regexp.MustCompile(fmt.Sprintf(`^session:%s-rescue account:read_write expires:(\d+)$`, regexp.QuoteMeta(report.ID)))
		if len(scopes) != 1 || !want.MatchString(scopes[0]) {
			t.Fatalf("scopes %q", scopes)
		}
		seconds, err := strconv.Atoi(want.FindStringSubmatch(scopes[0])[1])
		if life := time.Duration(seconds) * time.Second; err != nil || life > time.Hour || life < 2*time.Minute {
			t.Errorf("it lives for %v, %v", life, err)
		}
		if rescue.IsZero() {
			t.Error("no rescue token was stored when the reset was sent")
		}
	})
}
