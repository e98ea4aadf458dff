package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestMaintenance has the exchange in maintenance for an hour. The session is not ready meanwhile, says so once, and refuses nothing
// by itself; then it is ready over the same connection, and its channels go on.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*session.Config){
		"with a key": func(*session.Config) {},
		"without":    func(cfg *session.Config) { cfg.Credentials = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { inMaintenance(t, set) })
		})
	}
}

func inMaintenance(t *testing.T, set func(*session.Config)) {
	t.Helper()
	server, cfg := newMemoryServer(t, deribittest.Config{Tick: time.Second})
	var logged bytes.Buffer
	watch := &recorder{}
	cfg.Logger, cfg.Observer = slog.New(slog.NewTextHandler(&logged, nil)), watch
	set(&cfg)
	s := dial(t, cfg)
	sub := subscribe(t, s, session.SubscribeConfig{}, "ticker.BTC-PERPETUAL.100ms")

	server.SetPlatform(deribittest.Platform{Maintenance: true})
	synctest.Wait()
	var told session.StateChange
	for told = range s.States(t.Context()) {
		break
	}
	if told.State != session.Maintenance || !errors.Is(told.Err, session.ErrMaintenance) || s.Ready() {
		t.Errorf("told %+v, ready %t", told, s.Ready())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := s.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an hour of maintenance: WaitReady returns %v", err)
	}
	refusal, isRefused := errors.AsType[*rpc.Error](s.Call(t.Context(), "public/get_time", nil, nil))
	if !isRefused || refusal.Code != session.CodeMaintenance || !rpc.SafeToRetry(refusal) {
		t.Errorf("a call: %v", refusal)
	}
	if warned := strings.Count(logged.String(), "level=WARN"); warned != 1 {
		t.Errorf("%d warnings:\n%.2000s", warned, logged.String())
	}

	server.SetPlatform(deribittest.Platform{})
	<-time.After(6 * time.Second)
	if !s.Ready() || s.Stats().Epoch != 1 || server.Stats().Connections != 1 {
		t.Errorf("ready %t at epoch %d", s.Ready(), s.Stats().Epoch)
	}
	if err := s.Call(t.Context(), "public/get_time", nil, nil); err != nil {
		t.Error(err)
	}
	waiting(t, sub)
	if n, err := receive(t, sub); err != nil || n.Epoch != 1 {
		t.Errorf("after it %+v came, %v", n, err)
	}
	if got := watch.states(); !strings.HasSuffix(got, "ready maintenance ready") {
		t.Errorf("states: %s", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	watch.check(t)
}

// TestMaintenanceThatCallsTellOf: no notice has come, but a call is refused.
func TestMaintenanceThatCallsTellOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, script{"private/buy": refusing(11051, "system_maintenance")})
		s := dial(t, scripted(f))
		if err := s.Call(t.Context(), "private/buy", order("1"), nil); !rpc.SafeToRetry(err) {
			t.Error(err)
		}
		synctest.Wait()
		if s.State() != session.Maintenance {
			t.Errorf("the session is %v", s.State())
		}
		if err := s.WaitReady(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestMaintenanceThenALoss: the session is in maintenance when its connection is lost, and ready over the next one.
func TestMaintenanceThenALoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, cfg := newMemoryServer(t, deribittest.Config{Tick: time.Second})
		watch := &recorder{}
		cfg.Observer = watch
		s := dial(t, cfg)
		server.SetPlatform(deribittest.Platform{Maintenance: true})
		synctest.Wait()
		server.CutConnections()
		<-time.After(time.Minute)
		if s.State() == session.Ready {
			t.Error("ready in the middle of maintenance")
		}
		server.SetPlatform(deribittest.Platform{})
		if err := s.WaitReady(t.Context()); err != nil || s.Stats().Epoch < 2 {
			t.Errorf("epoch %d, %v", s.Stats().Epoch, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		watch.check(t)
	})
}
