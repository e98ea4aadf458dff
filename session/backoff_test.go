package session_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// Asks: go-jsonrpc#5, nautilus_trader#1339.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err      error
		min, max time.Duration // of ten failed attempts in a row
	}{
		"by default":           {errors.New("no route"), 20 * time.Second, 4 * time.Minute},
		"too many connections": {&rpc.HandshakeError{Status: http.StatusTooManyRequests}, 45 * time.Second, 5 * time.Minute},
		"maintenance":          {&rpc.HandshakeError{Status: http.StatusServiceUnavailable}, 45 * time.Second, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				f.refuse = func(attempt int) error {
					if attempt > 1 && attempt <= 11 {
						return c.err
					}
					return nil
				}
				cfg := scripted(f)
				cfg.NewBackoff = nil
				s := dial(t, cfg)
				start := time.Now()
				f.last().close()
				synctest.Wait()
				if err := s.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took < c.min || took > c.max || f.dials != 12 {
					t.Errorf("%d attempts in %v, want 12 in %v to %v", f.dials, took, c.min, c.max)
				}
			})
		})
	}
}

// flapper is an Observer that cuts every connection as soon as its session is ready.
type flapper struct {
	recorder
	far *far
}

// StateChanged implements session.Observer.
func (o *flapper) StateChanged(_ *session.Session, _, to session.State, _ error) {
	if to == session.Ready {
		o.far.last().close()
	}
}

// TestFlappingLoginBacksOff lets every connection live for a moment: being ready for a moment must not reset the backoff.
// Asks: go-jsonrpc#5, nautilus_trader#1339, XChange#4740, passivbot#1505, openalgo#2035, vault#28989.
func TestFlappingLoginBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		cfg := scripted(f)
		cfg.NewBackoff, cfg.Observer = nil, &flapper{far: f}
		dial(t, cfg)
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		if n := f.count("public/auth"); n < 10 || n > 60 {
			t.Errorf("%d authentications in ten minutes, want 10 to 60", n)
		}
	})
}

// TestSteadyConnectionResetsTheBackoff loses a connection that held: the wait begins anew, and not where it had grown to.
func TestSteadyConnectionResetsTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		growing := &doubling{next: time.Second}
		f.refuse = func(attempt int) error {
			if attempt > 1 && attempt < 8 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		cfg := scripted(f)
		cfg.Heartbeat = -1
		cfg.NewBackoff = func() session.Backoffer { return growing }
		s := dial(t, cfg)
		f.last().close()
		time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time: it has waited a minute and is ready again for long
		if !s.Ready() || growing.next < time.Minute {
			t.Fatalf("ready %t, the next wait would be %v", s.Ready(), growing.next)
		}
		start := time.Now()
		f.last().close()
		synctest.Wait()
		if err := s.WaitReady(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want a second", err, time.Since(start))
		}
	})
}

// doubling is a Backoffer without jitter.
type doubling struct{ next time.Duration }

func (d *doubling) NextBackOff() time.Duration {
	wait := d.next
	d.next *= 2
	return wait
}
func (d *doubling) Reset() { d.next = time.Second }

// Asks: viem#3521, polkadot-js/api#6204.
func TestBackofferThatGivesUpEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		down := errors.New("no route")
		f.refuse = func(attempt int) error {
			if attempt > 1 {
				return down
			}
			return nil
		}
		cfg := scripted(f)
		left := 3
		cfg.NewBackoff = func() session.Backoffer { return countdown{&left} }
		s := dial(t, cfg)
		f.last().close()
		<-s.Done()
		if !errors.Is(s.Err(), down) || s.State() != session.Closed {
			t.Errorf("ended with %v in state %v", s.Err(), s.State())
		}
		if err := s.WaitReady(t.Context()); !errors.Is(err, down) {
			t.Errorf("WaitReady = %v", err)
		}
		if err := s.Call(t.Context(), "public/test", nil, nil); !errors.Is(err, down) || !rpc.SafeToRetry(err) {
			t.Errorf("Call = %v", err)
		}
	})
}

// countdown gives up after some waits.
type countdown struct{ left *int }

func (c countdown) NextBackOff() time.Duration {
	if *c.left--; *c.left < 0 {
		return -1
	}
	return time.Second
}
func (countdown) Reset() {}

// TestMaintenanceSlowsDown is an exchange that refuses logins with a code that asks for less.
func TestMaintenanceSlowsDown(t *testing.T) {
	t.Parallel()
	for _, code := range []rpc.Code{session.CodeMaintenance, session.CodeTooManyRequests} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				f.script = script{"public/auth": func(p *peer, r request) {
					if p.number == 1 {
						p.comply(r)
						return
					}
					p.refuse(r, int(code), "later")
				}}
				s := dial(t, scripted(f))
				f.last().close()
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time
				if n := f.count("public/auth"); n < 10 || n > 14 || s.State() == session.Closed {
					t.Errorf("%d authentications in a minute, want one in five seconds; state %v", n, s.State())
				}
			})
		})
	}
}
