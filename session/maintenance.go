package session

import (
	"errors"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// reopenPause is from one question to the next whether the exchange is still in maintenance: it tells nobody of the end.
const reopenPause = 5 * time.Second

// suspend leaves Ready: the exchange says, to a call or without one, that it is in maintenance. The connection is kept, for its loss
// might cancel orders, and so are its channels.
func (s *Session) suspend(t *tending) {
	if s.live.Load() != t.link || t.reopened != nil {
		return // it is not ready yet, or this is known
	}
	l, reopened := t.link, make(chan struct{})
	t.reopened = reopened
	l.suspended.Store(true)
	s.setState(Maintenance, ErrMaintenance)
	s.work.Go(func() {
		if l.awaitReopening() {
			close(reopened)
		}
	})
}

// awaitReopening asks until the exchange refuses for maintenance no more. It reports false if the connection ends before.
func (l *link) awaitReopening() bool {
	tick := time.NewTicker(reopenPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return false
		}
		if l.isOpen() {
			return true
		}
	}
}

// isOpen asks as the session's owner would: a private call, if there is a key.
func (l *link) isOpen() bool {
	var err error
	if l.session.cfg.Credentials != nil {
		err = l.session.linkCall(l.ctx, l, methodGetCOD, codParams{Scope: codConnection}, nil)
	} else {
		err = l.call(l.ctx, methodTest, nil, nil)
	}
	_, isUnanswered := errors.AsType[*rpc.CallError](err)
	return !isUnanswered && !isMaintenance(err)
}

// reopen makes the session ready again. Whether its private channels have outlived the maintenance is looked at soon.
func (s *Session) reopen(t *tending) {
	t.reopened = nil
	t.link.suspended.Store(false)
	select {
	case <-t.link.shut: // from before the answer
	default:
	}
	s.setState(Ready, nil)
	t.probe.arm()
}

// noteMaintenance has the supervisor know. It waits for nothing: the reader calls it.
func (l *link) noteMaintenance() {
	select {
	case l.shut <- struct{}{}:
	default: // it has yet to look
	}
}

func isMaintenance(err error) bool {
	refusal, ok := errors.AsType[*rpc.Error](err)
	return ok && refusal.Code == CodeMaintenance
}
