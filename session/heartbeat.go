package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	// testRest is from one answer to a test_request to the next: the exchange sends one in an interval of 10 s or more, and waits
	// for its answer as long.
	testRest = 5 * time.Second
	// silentIntervals is how many heartbeat intervals may pass without a frame.
	silentIntervals = 2.5
	// lookInterval is between two looks at whether something has come: silence is noticed as exactly as that.
	lookInterval = time.Second
	heartbeatSet = "ok" // the documented answer to public/set_heartbeat
)

// errHeartbeatOff is an exchange that answers set_heartbeat with something else than that it is set.
var errHeartbeatOff = errors.New("the exchange does not say that it is set")

type heartbeatParams struct {
	Interval int `json:"interval"`
}

func (l *link) setHeartbeat(ctx context.Context) error {
	params := heartbeatParams{Interval: int(l.session.cfg.Heartbeat / time.Second)}
	var answer string
	err := l.call(ctx, methodSetHeartbeat, params, &answer)
	switch {
	case errors.Is(err, rpc.ErrDecode), err == nil && answer != heartbeatSet:
		return errHeartbeatOff
	case err != nil:
		return err
	}
	return nil
}

// watch is what the supervisor knows of the signs of life of the connection that it tends.
type watch struct {
	received uint64    // frames at the last look
	silent   time.Time // since when nothing has come
	unbeaten time.Time // since when no heartbeat has come, or was asked for
	isMissed bool      // it has been told that none comes
}

// begin begins the watch of a connection, or anew once it is ready.
func (w *watch) begin(l *link) {
	now := time.Now()
	*w = watch{received: l.conn.Stats().Received, silent: now, unbeaten: now}
}

// looks says when to look for signs of life, until stop is called.
func (s *Session) looks() (look <-chan time.Time, stop func()) {
	if s.cfg.Heartbeat < 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(lookInterval)
	return ticker.C, ticker.Stop
}

// listen looks for signs of life. It returns how long nothing has come, if that is longer than heartbeats allow.
func (s *Session) listen(t *tending, now time.Time) (silence time.Duration) {
	w := &t.watch
	if received := t.link.conn.Stats().Received; received != w.received {
		w.received, w.silent = received, now
	}
	if t.established != nil { // it has no heartbeat yet, and may be waiting for its credentials
		return 0
	}
	if t.link.beaten.Swap(false) {
		w.unbeaten, w.isMissed = now, false
	}
	limit := time.Duration(silentIntervals * float64(s.cfg.Heartbeat))
	if silence = now.Sub(w.silent); silence >= limit {
		return silence
	}
	if now.Sub(w.unbeaten) >= limit {
		s.miss(t, now)
	}
	return 0
}

// miss asks anew for heartbeats that do not come, though the exchange has said that they would. A connection that delivers is not
// given up for that.
func (s *Session) miss(t *tending, now time.Time) {
	level := slog.LevelWarn
	if t.watch.isMissed { // an operator has been told
		level = slog.LevelInfo
	}
	s.log(level, "no heartbeat comes: it is set again", slog.Duration("for", now.Sub(t.watch.unbeaten).Round(time.Second)))
	t.watch.unbeaten, t.watch.isMissed = now, true
	l := t.link
	s.work.Go(func() {
		if err := l.setHeartbeat(l.ctx); err != nil && l.ctx.Err() == nil {
			s.log(slog.LevelWarn, "heartbeat", slog.Any("error", err))
		}
	})
}

// answerTest answers a test_request beside all else.
func (s *Session) answerTest(t *tending) {
	l, answered := t.link, make(chan struct{})
	t.answered, t.tested, t.test = answered, time.Now(), nil
	s.work.Go(func() {
		defer close(answered)
		l.answerTest()
	})
}

// tests are the requests to answer, one at a time.
func (t *tending) tests() <-chan struct{} {
	if t.answered != nil || t.test != nil {
		return nil
	}
	return t.link.tests
}
