package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// parrot is an Observer of rotations and sessions that prints all that it is told.
type parrot struct {
	t   *testing.T
	out *syncBuffer
}

func (p *parrot) tell(values ...any) {
	for _, v := range values {
		fmt.Fprintf(p.out, "%s%v %+v %#v\n", printAll(p.t, v), v, v, v)
	}
}

// brief is tell for what there is much of.
func (p *parrot) brief(values ...any) {
	for _, v := range values {
		fmt.Fprintf(p.out, "%v %+v %#v %s %x\n", v, v, v, v, v)
	}
}

func (p *parrot) RotationStart(ctx context.Context, r rotate.Rotation) (context.Context, func(rotate.RotationEnd)) {
	p.tell(r)
	return ctx, func(end rotate.RotationEnd) { p.tell(end, end.Report.String()) }
}

func (p *parrot) RotationStep(ctx context.Context, s rotate.Step) (context.Context, func(error)) {
	p.tell(s)
	return ctx, func(err error) { p.tell(err) }
}

// sessionParrot is the same for a session.
type sessionParrot struct{ *parrot }

func (p sessionParrot) Opened(s *session.Session) { p.tell(s.Name()) }
func (p sessionParrot) Ended(s *session.Session)  { p.tell(s.Stats()) }
func (p sessionParrot) Calls(_ context.Context, step session.Step) rpc.Observer {
	p.brief(step)
	return p
}

func (p sessionParrot) StepStart(ctx context.Context, step session.Step) (context.Context, func(session.StepEnd)) {
	p.brief(step)
	return ctx, func(end session.StepEnd) { p.brief(end, end.Err) }
}

func (p sessionParrot) StateChanged(_ *session.Session, _, _ session.State, err error) { p.brief(err) }

func (p sessionParrot) Gap(_ *session.Session, gap *session.GapError) { p.brief(gap) }

func (p sessionParrot) Resent(_ *session.Session, method string) { p.brief(method) }

func (p sessionParrot) CallStart(ctx context.Context, call rpc.CallInfo) context.Context {
	p.brief(call)
	return ctx
}

func (p sessionParrot) CallEnd(_ context.Context, call rpc.CallInfo, end rpc.CallEnd) {
	p.brief(call, end, end.Err)
}

func (p sessionParrot) Stray(stray rpc.Stray) { p.brief(stray, stray.Err) }

// TestR6NothingSaysASecret rotates over real connections through all that can befall a rotation, has all printed that is logged,
// returned, observed or given to a hook, and searches it for every secret, token, signature, challenge and code that the exchange
// ever gave or was given.
func TestR6NothingSaysASecret(t *testing.T) {
	for _, grant := range []session.Grant{session.GrantSignature, session.GrantCredentials} {
		t.Run(fmt.Sprint("grant ", grant), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &parrot{t: t, out: &syncBuffer{}}
				r := newRigOf(t, deribittest.KeyConfig{SecondFactor: true}, deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true}, Tick: -1}, 2, func(_ int, cfg *session.Config) {
					cfg.Grant, cfg.Observer = grant, sessionParrot{p}
				})
				r.misfortunes(t, p)
				said := p.out.String() + r.said.String()
				secrets := r.server.Secrets()
				if len(secrets) < 40 || strings.Count(said, "\n") < 1000 {
					t.Errorf("%d secrets in %d lines: the test shows nothing", len(secrets), strings.Count(said, "\n"))
				}
				numbers := map[string]bool{}
				for _, n := range strings.FieldsFunc(said, func(c rune) bool { return c != '.' && (c < '0' || c > '9') }) {
					numbers[n] = true
				}
				for _, secret := range secrets {
					if numbers[secret] || !isCode(secret) && shows(said, secret) {
						t.Errorf("a secret of %d bytes was said", len(secret))
					}
				}
			})
		})
	}
}

// isCode reports whether a secret is a code of six digits, which may be a part of any number that is said.
func isCode(secret string) bool { return len(secret) == 6 && strings.Trim(secret, "0123456789") == "" }

// shows reports whether a text has a secret in it, in clear or as fmt and encoders disguise bytes.
func shows(text, secret string) bool {
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	for _, sign := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret), decimal} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// misfortunes are rotations that go right, are lost, meet a wrong, a used and a late code, a store that fails, a refusal, an
// exchange that is not there, and a person.
func (r *rig) misfortunes(t *testing.T, p *parrot) {
	t.Helper()
	authority := &lossy{Authority: r.cfg.Authority}
	honest := func() (string, error) { return r.server.SecondFactorCode(r.key.ID), nil }
	var code atomic.Pointer[func() (string, error)]
	code.Store(&honest)
	as := func(fn func() (string, error)) { code.Store(&fn) }
	r.with(t, func(cfg *rotate.Config) {
		cfg.Authority, cfg.Observer, cfg.Throwaway.Observer = authority, p, sessionParrot{p}
		cfg.SecondFactor = func(_ context.Context, c rotate.Challenge) (string, error) {
			p.tell(c)
			<-time.After(31 * time.Second)
			return (*code.Load())()
		}
		cfg.Hooks = rotate.Hooks{
			BeforeReset: func(_ context.Context, plan rotate.Plan) error { p.tell(plan); return nil },
			AfterReset:  func(_ context.Context, key rotate.APIKey) { p.tell(key, &key) },
			OnUnsaved:   func(_ context.Context, key rotate.APIKey, err error) { p.tell(key, err) },
			Finished:    func(_ context.Context, report rotate.Report) { p.tell(report) },
		}
		p.tell(*cfg)
	})
	turn := func() error {
		report, err := r.rotator.Rotate(t.Context())
		p.tell(report, err, r.store.now(), r.keyring, r.rotator, r.fleet)
		return err
	}
	want := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v", what, got)
		}
	}
	want("right", turn(), nil)
	as(func() (string, error) { return "999999", nil })
	want("wrong code", isA[*rotate.SecondFactorError](turn()), true)
	as(func() (string, error) { <-time.After(time.Minute); return honest() })
	want("late code", isA[*rotate.HookError](turn()), true)
	as(func() (string, error) { return "", errors.New("no device") })
	want("no code", isA[*rotate.HookError](turn()), true)
	as(honest)
	r.store.fault = failing()
	want("unsaved", turn(), nil)
	r.onFrame(func(f deribittest.Frame) {
		if f.Method == "private/reset_api_key" && !f.Incoming && strings.Contains(string(f.Data), "client_secret") {
			r.down.Store(true)
			time.AfterFunc(3*time.Minute, func() { r.down.Store(false) })
		}
	})
	want("no exchange to verify at", turn(), nil)
	r.onFrame(nil)
	narrow := map[string]any{"id": r.key.ID, "max_scope": "account:read"}
	p.tell(r.fleet[0].Call(t.Context(), "private/edit_api_key", narrow, nil), r.fleet[0].Call(t.Context(), "public/auth", narrow, nil))
	p.tell(r.net.cut())
	authority.reply.Store(true)
	want("lost", turn(), nil)
	authority.reply.Store(true)
	authority.dying.Store(true)
	want("lost for good", isA[*rotate.LockedOutError](turn()), true)
	authority.dead.Store(false)
	r.byHand(t)
	want("at last", turn(), nil)
}

// failing fails the first Saves of a candidate.
func failing() func(context.Context, rotate.Record) error {
	left := 3
	return func(_ context.Context, record rotate.Record) error {
		if len(record.Candidates) > 0 && left > 0 {
			left--
			return errDown
		}
		return nil
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
