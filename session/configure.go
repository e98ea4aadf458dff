package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// errCancelOff is an exchange that took enable_cancel_on_disconnect and says that it is off.
var errCancelOff = errors.New("the exchange says that it is off")

const codConnection = "connection"

type codParams struct {
	Scope string `json:"scope"`
}

type codState struct {
	Enabled bool `json:"enabled"`
}

// CancelsOnDisconnect reports whether the loss of a connection cancels its orders: [Config.CancelOnDisconnect].
func (s *Session) CancelsOnDisconnect() bool { return s.cfg.CancelOnDisconnect }

// configure sets what belongs to a connection: its heartbeat, and whether its loss cancels orders.
func (s *Session) configure(ctx context.Context, l *link) error {
	if s.cfg.Heartbeat > 0 {
		if err := l.setHeartbeat(ctx); err != nil {
			return fmt.Errorf("session: heartbeat: %w", err)
		}
	}
	if s.cfg.CancelOnDisconnect {
		if err := l.enableCOD(ctx); err != nil {
			return fmt.Errorf("session: cancel on disconnect: %w", err)
		}
	}
	return nil
}

// configureAgain configures a connection of which that has failed after an authentication, until it is done. Who authenticates the
// connection once more does the same, and goes on in its place.
func (s *Session) configureAgain(ctx context.Context, l *link, auths uint64) {
	wait := again()
	for sleep(ctx, wait.NextBackOff()) && l.auths.Load() == auths {
		err := s.configure(ctx, l)
		if err == nil {
			return
		}
		s.log(slog.LevelWarn, "configuration of the connection", slog.Any("error", err))
	}
}

// again makes the waits between attempts at what a live connection lacks. They do not end while it lives.
func again() Backoffer { return retry.Backoff(2*time.Second, 30*time.Second) }

// sleep waits. It reports false if ctx has ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// enableCOD has the exchange cancel the connection's orders when it is lost, and asks whether it will: who relies on it
// must not find out when it is too late.
func (l *link) enableCOD(ctx context.Context) error {
	params := codParams{Scope: codConnection}
	if err := l.call(ctx, methodEnableCOD, params, nil); err != nil {
		return err
	}
	var now codState
	if err := l.call(ctx, methodGetCOD, params, &now); err != nil {
		return err
	}
	if !now.Enabled {
		return errCancelOff
	}
	return nil
}
