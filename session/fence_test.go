package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// ledger is an exchange that executes private calls only while the connection has authority, and counts what it executes.
type ledger struct {
	mu         sync.Mutex // protects the fields below
	authorised bool
	executed   map[string]int // by label
	refused    int
	used       []string // client ids that authenticated, in order
	valid      string   // the only client id that may, if not empty
}

// newLedger plays an exchange on which a connection is authorised from its first authentication on.
func newLedger(t *testing.T) (*ledger, *far) {
	t.Helper()
	l := &ledger{executed: map[string]int{}}
	return l, newFar(t, script{"public/auth": l.auth, "private/buy": l.buy})
}

func (l *ledger) auth(p *peer, r request) {
	var params struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(r.Params, &params); err != nil {
		p.far.t.Error(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = append(l.used, params.ClientID)
	if l.valid != "" && l.valid != params.ClientID {
		p.refuse(r, int(session.CodeInvalidCredentials), "invalid_credentials")
		return
	}
	l.authorised = true
	p.grant(r, 31536000)
}

func (l *ledger) buy(p *peer, r request) {
	var params struct {
		Label string `json:"label"`
	}
	if err := json.Unmarshal(r.Params, &params); err != nil {
		p.far.t.Error(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.authorised || params.Label == "bad token" {
		l.refused++
		p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
		return
	}
	l.executed[params.Label]++
	p.answer(r, params.Label)
}

// revoke ends the authority of the live connection.
func (l *ledger) revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.authorised = false
}

// reset revokes, and from now on takes one client id only: ids stand for generations here.
func (l *ledger) reset(valid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.authorised, l.valid = false, valid
}

func (l *ledger) authentications() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.used)
}

// orders is how often each order was executed, by label.
func (l *ledger) orders() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.executed)
}

// wantOnce fails the test unless n orders were executed, each of them once.
func (l *ledger) wantOnce(t *testing.T, n int) {
	t.Helper()
	executed := l.orders()
	if len(executed) != n {
		t.Errorf("%d orders executed, want %d", len(executed), n)
	}
	for label, times := range executed {
		if times != 1 {
			t.Errorf("order %s was executed %d times", label, times)
		}
	}
}

func labelled(label string) map[string]string { return map[string]string{"label": label} }

// keyring is a CredentialSource whose generations rise, and which can be shut for a while.
type keyring struct {
	mu    sync.Mutex // protects the fields below
	creds session.Credentials
	gate  chan struct{} // closed when the source may answer; nil: it may
	asked int
}

func newKeyring() *keyring {
	k := &keyring{}
	k.publish(1)
	return k
}

// publish makes generation g current.
func (k *keyring) publish(g uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.creds = session.Credentials{
		ClientID: fmt.Sprintf("g%d", g), Secret: session.NewSecret(fmt.Appendf(nil, "%s-%d", canary, g)), Generation: g,
	}
}

// asks is how often it was asked for credentials.
func (k *keyring) asks() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

func (k *keyring) shut() (open func()) {
	gate := make(chan struct{})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = gate
	return func() { close(gate) }
}

// Credentials implements session.CredentialSource.
func (k *keyring) Credentials(ctx context.Context) (session.Credentials, error) {
	k.mu.Lock()
	k.asked++
	gate := k.gate
	k.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return session.Credentials{}, context.Cause(ctx)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.creds, nil
}

// TestFenceUnder64Callers revokes the token under 64 callers: each order is executed once, no caller sees a refusal, and
// all share one authentication.
// Asks: ccxt#22761, ccxt#18921, openalgo#1419, XChange#3697.
func TestFenceUnder64Callers(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(s *session.Session, ctx context.Context, label string) error{
		"Call": func(s *session.Session, ctx context.Context, label string) error {
			var got string
			if err := s.Call(ctx, "private/buy", labelled(label), &got); err != nil || got != label {
				return fmt.Errorf("%q: %w", got, err)
			}
			return nil
		},
		"CallRaw": func(s *session.Session, ctx context.Context, label string) error {
			got, err := s.CallRaw(ctx, "private/buy", labelled(label), []byte("="))
			if err != nil || string(got) != `="`+label+`"` {
				return fmt.Errorf("%q: %w", got, err)
			}
			return nil
		},
		"Send": func(s *session.Session, ctx context.Context, label string) error {
			pending, err := s.Send(ctx, "private/buy", labelled(label))
			if err != nil {
				return err
			}
			var got string
			if err := pending.Wait(ctx, &got); err != nil || got != label {
				return fmt.Errorf("%q: %w", got, err)
			}
			return nil
		},
		"Send, raw": func(s *session.Session, ctx context.Context, label string) error {
			pending, err := s.Send(ctx, "private/buy", labelled(label))
			if err != nil {
				return err
			}
			got, err := pending.WaitRaw(ctx, []byte("="))
			if err != nil || string(got) != `="`+label+`"` {
				return fmt.Errorf("%q: %w", got, err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const callers, each = 64, 20
				l, f := newLedger(t)
				watch := &recorder{}
				cfg := scripted(f)
				cfg.Observer = watch
				s := dial(t, cfg)
				var wg sync.WaitGroup
				for caller := range callers {
					wg.Go(func() {
						for i := range each {
							if i == each/2 && caller == 0 {
								l.revoke()
							}
							if err := call(s, t.Context(), fmt.Sprintf("%d-%d", caller, i)); err != nil {
								t.Errorf("caller %d: %v", caller, err)
							}
						}
					})
				}
				wg.Wait()
				l.wantOnce(t, callers*each)
				if n := len(l.authentications()); n != 2 || s.Stats().Epoch != 1 {
					t.Errorf("%d authentications over %d connections, want two over one", n, s.Stats().Epoch)
				}
				if resent := s.Stats().Resent; l.refused == 0 || resent != uint64(l.refused) || watch.resent != l.refused {
					t.Errorf("%d refused, %d resent, the observer was told of %d", l.refused, resent, watch.resent)
				}
			})
		})
	}
}

// TestFencePublicCallsDoNotWait keeps the source shut: private calls park until their ctx ends, public ones go on.
func TestFencePublicCallsDoNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		open := ring.shut()
		defer open()
		l.revoke()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			err := s.Call(ctx, "private/buy", labelled("parked"), nil)
			unanswered, ok := errors.AsType[*rpc.CallError](err)
			if !ok || unanswered.Outcome != rpc.NotSent || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("the parked call ended with %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait()
		if err := s.Call(t.Context(), "public/get_time", nil, nil); err != nil || time.Since(start) != 0 {
			t.Errorf("a public call: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		l.wantOnce(t, 0)
	})
}

// TestFenceRotationUnderCalls is a rotation as a session sees it: the old secret is dead, calls are refused, and the source
// keeps everybody waiting until it has the new one.
// Asks: openalgo#1419, XChange#3697.
func TestFenceRotationUnderCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		for g := uint64(2); g <= 4; g++ {
			open := ring.shut()
			l.reset(fmt.Sprintf("g%d", g))
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					if err := s.Call(t.Context(), "private/buy", labelled(fmt.Sprintf("%d-%d", g, i)), nil); err != nil {
						t.Errorf("generation %d: %v", g, err)
					}
				})
			}
			time.Sleep(time.Second) //nolint:forbidigo // virtual time: all are parked
			ring.publish(g)
			open()
			if err := s.Reauthenticate(t.Context()); err != nil || s.Generation() != g {
				t.Errorf("Reauthenticate: %v, generation %d, want %d", err, s.Generation(), g)
			}
			wg.Wait()
		}
		l.wantOnce(t, 96)
		if n := s.Stats().Epoch; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestFenceBudget has a caller with a bad token of its own, which no authentication mends: it must not make the session
// hammer public/auth, and gets its refusal.
func TestFenceBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		s := dial(t, scripted(f))
		for range 600 {
			err := s.Call(t.Context(), "private/buy", labelled("bad token"), nil)
			refusal, ok := errors.AsType[*rpc.Error](err)
			if !ok || refusal.Code != session.CodeUnauthorized {
				t.Fatalf("%v, want 13009", err)
			}
			time.Sleep(time.Second) //nolint:forbidigo // virtual time
		}
		if n := len(l.authentications()); n < 2 || n > 70 {
			t.Errorf("%d authentications in ten minutes, want about one in ten seconds", n)
		}
		if err := s.Call(t.Context(), "private/buy", labelled("good"), nil); err != nil {
			t.Errorf("a good call: %v", err)
		}
		l.wantOnce(t, 1)
	})
}

// TestFenceSurvivesItsConnection loses the connection while a refused call waits: it is sent over the next one.
func TestFenceSurvivesItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		ring := newKeyring()
		cfg := scripted(f)
		cfg.Credentials = ring
		s := dial(t, cfg)
		open := ring.shut()
		l.revoke()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Call(t.Context(), "private/buy", labelled("a"), nil); err != nil {
				t.Errorf("the parked call: %v", err)
			}
		})
		synctest.Wait()
		f.last().close()
		synctest.Wait()
		open()
		wg.Wait()
		l.wantOnce(t, 1)
		if n := s.Stats().Epoch; n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
	})
}

// TestFenceRefusalIsTheOutcome loses the authentication that a refused call waits for, again and again until ctx ends or a
// refusal stands: the call was not executed, and whatever it returns says so.
func TestFenceRefusalIsTheOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := newLedger(t)
		auths := 0
		f.script["public/auth"] = func(p *peer, r request) {
			if auths++; auths > 1 {
				return // unanswered: its outcome is unknown
			}
			l.auth(p, r)
		}
		s := dial(t, scripted(f))
		l.revoke()
		err := s.Call(t.Context(), "private/buy", labelled("a"), nil)
		refusal, ok := errors.AsType[*rpc.Error](err)
		if !ok || refusal.Code != session.CodeUnauthorized || isA[*rpc.CallError](err) || !rpc.SafeToRetry(err) {
			t.Errorf("%v, want the refusal alone, safe to retry", err)
		}
	})
}
