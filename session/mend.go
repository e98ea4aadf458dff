package session

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

const (
	// mendPause is how long a snapshot that was asked for may be under way, and how long after one book's repair the next of
	// the same book is due: it doubles up to mendPauseMax, and begins anew after a calm of that length.
	mendPause    = time.Second
	mendPauseMax = time.Minute
)

// mender has books begin anew to which a snapshot is owed: their chain is broken, or a subscription came after their
// snapshot. It is one goroutine, which is there only while there is something to mend.
type mender struct {
	running atomic.Bool
	wake    chan struct{} // something may have come to be owed since the last look
}

// pace spaces the repairs of one book.
type pace struct {
	due  time.Time
	wait Backoffer
}

func newPace() *pace { return &pace{wait: retry.Backoff(mendPause, mendPauseMax)} }

// turn returns how long it is until the book's next repair, 0 if it may begin now; then it has begun.
func (p *pace) turn(now time.Time) time.Duration {
	switch {
	case now.Before(p.due):
		return p.due.Sub(now)
	case now.Sub(p.due) > mendPauseMax:
		p.wait.Reset()
	}
	p.due = now.Add(p.wait.NextBackOff())
	return 0
}

// mend has the mender look whether a book is owed a snapshot. It waits for nothing: the reader calls it.
func (s *Session) mend() {
	select {
	case s.mender.wake <- struct{}{}:
	default: // it has yet to look
	}
	if s.mender.running.CompareAndSwap(false, true) && !s.spawn(s.ctx, s.mendBooks) {
		s.mender.running.Store(false)
	}
}

func (s *Session) mendBooks(ctx context.Context) {
	for {
		select {
		case <-s.mender.wake:
		default:
		}
		l, err := s.waitLink(ctx)
		if err != nil {
			return // the session has ended
		}
		if wait := s.mendSome(l); wait > 0 {
			s.mender.rest(l.ctx, wait)
			continue
		}
		// Who called mend since the look above found it running, and has left a wake.
		if s.mender.running.Store(false); len(s.mender.wake) == 0 || !s.mender.running.CompareAndSwap(false, true) {
			return
		}
	}
}

// rest waits, until something more may be owed, or ctx ends.
func (m *mender) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.wake:
	case <-ctx.Done():
	}
}

// mendSome has those books begin anew that are owed a snapshot and whose turn it is. It returns when to look again, 0 if
// nothing is owed.
func (s *Session) mendSome(l *link) (wait time.Duration) {
	var names []string
	now := time.Now()
	for _, ch := range s.subs.all() {
		if !ch.isOwed(l.epoch) {
			continue
		}
		if ch.pace == nil {
			ch.pace = newPace()
		}
		left := ch.pace.turn(now)
		if left == 0 {
			names = append(names, ch.name)
			left = ch.pace.due.Sub(now)
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	if len(names) == 0 {
		return wait
	}
	s.log(slog.LevelInfo, "books begin anew", slog.Any("channels", names))
	if err := s.resync(l.ctx, l, names); err != nil {
		s.log(slog.LevelWarn, "books begin anew", slog.Any("error", err))
	}
	return wait
}

// resync has the exchange send the snapshots of books again, which it does for who unsubscribes and subscribes.
func (s *Session) resync(ctx context.Context, l *link, names []string) error {
	if err := l.holdSubscribing(ctx); err != nil {
		return err
	}
	defer l.releaseSubscribing()
	names = s.subs.wanted(names)
	ctx, ended := s.step(ctx, Step{Kind: StepSubscribe, Epoch: l.epoch, Generation: l.generation.Load(), Channels: len(names)})
	refused := 0
	var err error
	for err == nil && len(names) > 0 {
		n := frameful(names)
		var left int
		left, err = s.resyncFrame(ctx, l, names[:n])
		refused += left
		names = names[n:]
	}
	ended(StepEnd{Err: err})
	return err
}

// resyncFrame has waited for its turn before it unsubscribes: then the books stand still for as short as they can.
func (s *Session) resyncFrame(ctx context.Context, l *link, names []string) (refused int, err error) {
	credit, err := s.pools.subscribes.wait(ctx)
	if err != nil {
		return 0, err
	}
	s.subs.ask(names)
	if err := s.giveUp(ctx, l, names); err != nil {
		credit.counted(time.Now())
		return 0, err
	}
	left, err := s.askFrame(ctx, l, methodSubscribePublic, names, credit)
	if isForbidden(err) {
		return s.regain(ctx, l, names, s.subs.wanted, s.refuseLeftOut)
	}
	s.refuseLeftOut(left)
	return len(left), err
}
