package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestClockSkewIsMeasured asks for the time over a connection whose round trip takes ten seconds: they do not pass for a clock
// that is off, nor hide one.
func TestClockSkewIsMeasured(t *testing.T) {
	t.Parallel()
	for skew, named := range map[time.Duration]bool{
		70 * time.Second: true, 45 * time.Second: true, 31 * time.Second: true, 29 * time.Second: false, 0: false,
		-29 * time.Second: false, -31 * time.Second: true, -45 * time.Second: true, -70 * time.Second: true,
	} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const oneWay = 5 * time.Second
				f := newFar(t, script{
					"public/auth": refusing(int(session.CodeInvalidCredentials), "invalid_credentials"),
					"public/get_time": func(p *peer, r request) {
						time.Sleep(oneWay) //nolint:forbidigo // virtual time
						told := time.Now().Add(-skew).UnixMilli()
						time.Sleep(oneWay) //nolint:forbidigo // virtual time
						p.answer(r, told)
					},
				})
				cfg := scripted(f)
				cfg.CallTimeout = time.Minute
				s, err := session.Dial(t.Context(), cfg)
				if err == nil {
					closeAtEnd(t, s)
				}
				if !named {
					if !isRefused(session.CodeInvalidCredentials)(err) || isA[*session.ClockSkewError](err) {
						t.Errorf("%v, want an AuthError", err)
					}
					return
				}
				if skewed, ok := errors.AsType[*session.ClockSkewError](err); !ok || skewed.Skew != skew {
					t.Errorf("%v, want a ClockSkewError of %v", err, skew)
				}
			})
		})
	}
}

// TestClockSkewAtTheExchange is what a right key meets: a signature is good for 60 s.
func TestClockSkewAtTheExchange(t *testing.T) {
	t.Parallel()
	for i, skew := range []time.Duration{70 * time.Second, 45 * time.Second, -45 * time.Second, -70 * time.Second, 71 * time.Second, 72 * time.Second} {
		refused := skew.Abs() > time.Minute
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				code := [...]rpc.Code{session.CodeInvalidCredentials, session.CodeUnauthorized, session.CodeAuthorizationRequired}[i%3]
				server, cfg := newMemoryServer(t, deribittest.Config{Tick: -1, BadSignatureCode: int(code)})
				server.Inject(deribittest.Fault{Kind: deribittest.SkewClock, For: -skew})
				s, err := session.Dial(t.Context(), cfg)
				if err == nil {
					closeAtEnd(t, s)
				}
				if skewed, ok := errors.AsType[*session.ClockSkewError](err); ok != refused || ok && skewed.Skew != skew || !ok && err != nil {
					t.Errorf("%v, want a ClockSkewError of %v: %t", err, skew, refused)
				}
			})
		})
	}
}
