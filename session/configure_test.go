package session_test

import (
	"bytes"
	"log/slog"
	"strings"
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
