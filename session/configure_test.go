package session_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestCancelOnDisconnectIsVerified has an exchange take the setting and not keep it: such a connection is not ready, neither
// the first one nor a later one.
// Asks: deribit-v2-ws#16, deribit-api-clients#35.
func TestCancelOnDisconnectIsVerified(t *testing.T) {
	t.Parallel()
	for name, forgets := range map[string]func(number int) bool{
		"at Dial":         func(int) bool { return true },
		"after reconnect": func(number int) bool { return number == 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, watch := newFar(t, nil), &reasons{}
				f.script = script{"private/get_cancel_on_disconnect": func(p *peer, r request) {
					p.answer(r, map[string]any{"scope": "connection", "enabled": !forgets(p.number)})
				}}
				cfg := scripted(f)
				cfg.CancelOnDisconnect, cfg.Observer = true, watch
				const want = "session: cancel on disconnect: the exchange says that it is off"
				s, err := session.Dial(t.Context(), cfg)
				if forgets(1) {
					if err == nil || err.Error() != want {
						t.Errorf("Dial: %v, want %q", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				closeAtEnd(t, s)
				f.last().close()
				synctest.Wait()
				time.Sleep(time.Second) //nolint:forbidigo // virtual time
				if got := watch.of(session.Backoff); got == nil || got.Error() != want || !s.Ready() || s.Stats().Epoch != 3 {
					t.Errorf("%v, ready %t over connection %d, want the third", got, s.Ready(), s.Stats().Epoch)
				}
			})
		})
	}
}

// TestHeartbeatIsVerified has an exchange answer set_heartbeat with something else than that it is set: such a connection is not ready,
// neither the first one nor a later one.
func TestHeartbeatIsVerified(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number int // of the connection
		answer any
	}{
		"an object at Dial":         {1, map[string]any{"enabled": false}},
		"another word at Dial":      {1, "no"},
		"nothing at Dial":           {1, nil},
		"an object after reconnect": {2, map[string]any{"enabled": false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, watch := newFar(t, nil), &reasons{}
				f.script = script{"public/set_heartbeat": func(p *peer, r request) {
					if p.number == c.number {
						p.answer(r, c.answer)
						return
					}
					p.comply(r)
				}}
				cfg := scripted(f)
				cfg.Observer = watch
				const want = "session: heartbeat: the exchange does not say that it is set"
				s, err := session.Dial(t.Context(), cfg)
				if c.number == 1 {
					if err == nil || err.Error() != want {
						t.Errorf("Dial: %v, want %q", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				closeAtEnd(t, s)
				f.last().close()
				synctest.Wait()
				time.Sleep(time.Second) //nolint:forbidigo // virtual time
				if got := watch.of(session.Backoff); got == nil || got.Error() != want || !s.Ready() || s.Stats().Epoch != 3 {
					t.Errorf("%v, ready %t over connection %d, want the third", got, s.Ready(), s.Stats().Epoch)
				}
			})
		})
	}
}

// TestHeartbeatThatDoesNotCome is an exchange that takes set_heartbeat, and sends none until it is asked for the third time, while
// notifications flow: it is asked again each two and a half intervals, an operator is told once, and the connection lives.
func TestHeartbeatThatDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Bool
		asked := 0
		f := newFar(t, script{"public/set_heartbeat": func(p *peer, r request) {
			asked++
			beats.Store(asked == 3)
			p.comply(r)
		}})
		var lines bytes.Buffer
		cfg := scripted(f)
		cfg.Heartbeat = 10 * time.Second
		cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn}))
		s := dial(t, cfg)
		for second := range 300 {
			time.Sleep(time.Second) //nolint:forbidigo // virtual time
			f.last().notify("ticker.A", "1")
			if beats.Load() && second%10 == 0 {
				f.last().send(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}`)
			}
			synctest.Wait()
			want := 1 + min(2, (second+1)/25)
			if n := f.count("public/set_heartbeat"); n != want && (second+1)%25 > 1 {
				t.Fatalf("after %d s set_heartbeat was sent %d times, want %d", second+1, n, want)
			}
		}
		if n := f.count("public/set_heartbeat"); n != 3 || !s.Ready() || s.Stats().Epoch != 1 {
			t.Errorf("%d set_heartbeat, ready %t over %d connections", n, s.Ready(), s.Stats().Epoch)
		}
		if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no heartbeat comes") {
			t.Errorf("the log has %q, want one line of a heartbeat that does not come", got)
		}
	})
}

// TestEndForGoodIsLoud reads the log of a session whose key is refused: an operator who looks for errors finds it, with what
// to do.
// Asks: pybit#37.
func TestEndForGoodIsLoud(t *testing.T) {
	t.Parallel()
	for code, advice := range map[int]string{
		int(session.CodeInvalidCredentials): "check the client id and the secret",
		int(session.CodeLoginOverLimit):     "look for whoever uses an old secret",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFar(t, nil)
			f.script = script{"public/auth": func(p *peer, r request) {
				if p.number == 1 {
					p.comply(r)
					return
				}
				p.refuse(r, code, "no")
			}}
			var lines bytes.Buffer
			cfg := scripted(f)
			cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelError}))
			s := dial(t, cfg)
			f.last().close()
			<-s.Done()
			if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "session closed") || !strings.Contains(got, advice) {
				t.Errorf("%d: the log has %q, want one line that says %q", code, got, advice)
			}
		})
	}
}

// TestClockThatIsOffIsNotHammeredOn has a clock go wrong between two connections: it is named as the reason, and the exchange,
// which counts failures, is asked about once a minute.
func TestClockThatIsOffIsNotHammeredOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, watch := newFar(t, nil), &reasons{}
		f.script = script{
			"public/auth": func(p *peer, r request) {
				if p.number == 1 {
					p.comply(r)
					return
				}
				p.refuse(r, int(session.CodeInvalidCredentials), "invalid_credentials")
			},
			"public/get_time": func(p *peer, r request) { p.answer(r, time.Now().Add(2*time.Minute).UnixMilli()) },
		}
		cfg := scripted(f)
		cfg.Observer = watch
		s := dial(t, cfg)
		f.last().close()
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		if n := f.count("public/auth"); n < 10 || n > 12 {
			t.Errorf("%d authentications in ten minutes, want one a minute", n)
		}
		if err := watch.of(session.Backoff); !isA[*session.ClockSkewError](err) || s.State() == session.Closed {
			t.Errorf("%v in state %v, want a ClockSkewError that ends nothing", err, s.State())
		}
	})
}

// TestClockThatIsOffIsNoReasonToGoOn: too many failed logins, and a grant that is too narrow, say nothing of the clock, though it is off.
func TestClockThatIsOffIsNoReasonToGoOn(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*peer, request){
		"too many failures": refusing(int(session.CodeLoginOverLimit), "over_limit"),
		"narrower": func(p *peer, r request) {
			p.answer(r, map[string]any{"access_token": "a", "refresh_token": "b", "expires_in": 60, "scope": "connection trade:read"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, nil)
				f.script = script{
					"public/auth": func(p *peer, r request) {
						if p.number == 1 {
							p.comply(r)
							return
						}
						act(p, r)
					},
					"public/get_time": func(p *peer, r request) { p.answer(r, time.Now().Add(45*time.Second).UnixMilli()) },
				}
				cfg := scripted(f)
				cfg.Scope = "trade:read_write"
				s := dial(t, cfg)
				f.last().close()
				time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
				if n := f.count("public/auth"); n != 2 || !isA[*session.AuthError](s.Err()) || isA[*session.ClockSkewError](s.Err()) {
					t.Errorf("%d logins, and the session ended with %v: want an AuthError after the second", n, s.Err())
				}
			})
		})
	}
}

// TestBackoffThatStops ends the attempts to connect, and hammers on nothing that a live connection lacks: here its token is not renewed,
// which the exchange gives no reason for.
func TestBackoffThatStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/auth": func(p *peer, r request) {
			if f.count("public/auth") > 1 {
				p.refuse(r, 13888, "timed_out")
				return
			}
			p.answer(r, map[string]any{"access_token": "a", "refresh_token": "b", "expires_in": 900, "scope": "connection"})
		}}
		cfg := unbeaten(f)
		cfg.NewBackoff = func() session.Backoffer { return constantly(-1) }
		s := dial(t, cfg)
		time.Sleep(15 * time.Minute) //nolint:forbidigo // virtual time: of which the last tenth is spent on renewals
		if logins := f.count("public/auth"); logins < 4 || logins > 40 || s.Stats().Epoch != 1 {
			t.Errorf("%d logins over %d connections, want one in some seconds over the first", logins, s.Stats().Epoch)
		}
	})
}
