package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// errLeft is met by who works on a connection after another one has taken over.
var errLeft = errors.New("session: another connection has taken over")

// replacement asks the supervisor for another connection than one, which is nil if there is none.
type replacement struct {
	of    *link
	pause uint64     // the number of the newest pause between two attempts, when it was asked for
	done  chan error // of 1: is sent why there is none, or nil
}

// handover is the replacement of a connection that works, without a break: the next one is opened, authenticated and subscribed while
// this one serves; then it goes on with the streams, and this one is left.
type handover struct {
	cancel context.CancelFunc // ends it, as long as this connection has not been left
	done   chan *link         // is sent the next connection, nil if there is none
	err    error              // why there is none; stored before
	asked  []replacement
}

// replace begins to replace the connection that is tended, unless that is under way, or has been done already.
func (s *Session) replace(t *tending, r replacement) {
	if r.of != t.link || t.established != nil {
		r.done <- nil
		return
	}
	if t.next == nil {
		ctx, cancel := context.WithCancel(t.link.ctx)
		t.next = &handover{cancel: cancel, done: make(chan *link, 1)}
		h, old, next := t.next, t.link, s.newLink()
		next.before = old.epoch
		s.work.Go(func() {
			h.err = s.handOver(ctx, old, next)
			next.opened(StepEnd{Err: h.err, Generation: next.generation.Load()})
			if h.err != nil {
				next.hangUp()
				next = nil
			}
			h.done <- next
		})
	}
	t.next.asked = append(t.next.asked, r)
}

// succeeded is sent the connection that has taken over, nil if there is none after all.
func (t *tending) succeeded() <-chan *link {
	if t.next == nil {
		return nil
	}
	return t.next.done
}

// conclude ends a handover, if there is one, and reports whether the next connection has taken over.
func (s *Session) conclude(t *tending) bool {
	if t.next == nil {
		return false
	}
	t.next.cancel()
	next := <-t.next.done
	s.follow(t, next)
	return next != nil
}

// follow goes on with the connection that has taken over, if there is one, and answers who asked for it.
func (s *Session) follow(t *tending, next *link) {
	h := t.next
	t.next = nil
	h.cancel()
	unreplaced := s.whyUnreplaced(t.link, h.err)
	if unreplaced != nil {
		s.log(slog.LevelWarn, "the connection is not replaced", slog.Any("error", unreplaced))
	}
	if old := t.link; next != nil {
		if t.test != nil { // it rests, and who attends to old answers it
			select {
			case old.tests <- struct{}{}:
			default: // one answer will do for both
			}
		}
		t.link, t.answered = next, nil
		t.test, t.tested = nil, time.Time{}
		s.setEpoch(next.epoch)
		s.serve(t)
		close(old.left) // only now: who works on old looks for the connection that serves
		t.leaving.Add(1)
		s.work.Go(func() {
			defer t.leaving.Done()
			s.retire(old, next, t.hurry)
		})
		s.mend() // a book that was owed a snapshot still is
		if next.generation.Load() < old.generation.Load() {
			s.work.Go(func() { _ = s.auth.renew(next.ctx, next) }) // a rotation was faster; what fails is logged there
		}
	}
	for _, r := range h.asked {
		r.done <- unreplaced
	}
}

// whyUnreplaced is what err, with which the handover from a connection ended, is to those who asked for it. Who asked is answered nil if
// that connection is lost: another one is on its way anyway.
func (s *Session) whyUnreplaced(l *link, err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case s.isClosing():
		return ErrClosed
	case l.conn.Err() != nil:
		return nil //nolint:nilerr // who asked waits for the next connection
	}
	return err
}

func (s *Session) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// handOver makes next what the session promises, and has it go on with the streams of old. Once old has been left there is no error.
func (s *Session) handOver(ctx context.Context, old, next *link) error {
	if err := next.dial(ctx); err != nil {
		return err
	}
	defer next.attend()()
	stay := context.AfterFunc(ctx, next.end)
	defer stay()
	if err := s.auth.login(next.opening, next); err != nil {
		return err
	}
	if err := s.configure(next.opening, next); err != nil {
		return err
	}
	if err := old.awaitWhole(ctx); err != nil {
		return err
	}
	if err := old.holdSubscribing(ctx); err != nil {
		return err
	}
	s.prove(old, wanted) // what its last authentication may have cost is not seen at the seam
	seam := s.subs.newSeam(old.epoch, next.epoch)
	s.subs.seam.Store(seam)
	err := s.resumeBeside(ctx, old, next)
	if err == nil && !stay() {
		err = context.Cause(ctx)
	}
	if err != nil {
		next.hangUp()
		seam.in(seam.undo)
		old.releaseSubscribing()
		return err
	}
	// From here on old is left in any case; nobody subscribes over it any more.
	asking, enough := s.until(old.ctx, nil)
	defer enough()
	lost := old.question(asking)
	if lost != nil {
		s.log(slog.LevelWarn, "the connection that is replaced does not answer", slog.Any("error", lost))
	}
	seam.in(func() {
		seam.isLost = lost != nil
		seam.leave()
	})
	return nil
}

// resumeBeside subscribes over next to all that comes over old. Its question first: after the answer all that old has brought has gone
// through the seam.
func (s *Session) resumeBeside(ctx context.Context, old, next *link) error {
	if err := old.question(ctx); err != nil {
		return err
	}
	return s.resume(next.opening, next)
}

// question returns when the exchange has answered it: what it published before has come then, or is about to.
func (l *link) question(ctx context.Context) error { return l.call(ctx, methodTest, nil, nil) }

// retire leaves a connection once the calls that are under way over it have their outcome, or at once if hurry is closed. With it
// the seam ends.
func (s *Session) retire(l, next *link, hurry <-chan struct{}) {
	s.drain(l, hurry)
	l.goodbye(s.ctx, l.leaving())
	l.hangUp() // its reader has ended now
	if err := next.question(next.ctx); err != nil && next.ctx.Err() == nil {
		s.log(slog.LevelWarn, "the connection that has taken over does not answer", slog.Any("error", err))
	}
	if seam := s.subs.seam.Load(); seam != nil {
		seam.in(func() { seam.end(legAfter) })
	}
	close(next.whole)
}

func (s *Session) drain(l *link, hurry <-chan struct{}) {
	defer l.attend()()
	ctx, cancel := s.until(l.ctx, hurry)
	defer cancel()
	if err := l.conn.Drain(ctx); err != nil && l.ctx.Err() == nil {
		s.log(slog.LevelInfo, "calls over the connection that was replaced are not waited for any longer", slog.Any("error", err))
	}
}

// until returns a ctx that ends after CallTimeout, and before that when the session is to close or hurry is closed.
func (s *Session) until(ctx context.Context, hurry <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	s.work.Go(func() {
		defer cancel()
		select {
		case <-s.closing:
		case <-hurry:
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// awaitWhole waits until the connection feeds the subscriptions alone.
func (l *link) awaitWhole(ctx context.Context) error {
	select {
	case <-l.whole:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// logoutParams are those of private/logout. The tokens of a named session are those of the next connection too.
type logoutParams struct {
	InvalidateToken bool `json:"invalidate_token"`
}

// leaving are the params of a logout that another connection of the session outlives.
func (l *link) leaving() any {
	if hasNamedSession(l.session.cfg.Scope) {
		return logoutParams{InvalidateToken: false}
	}
	return nil
}

func hasNamedSession(scope string) bool {
	return slices.ContainsFunc(strings.Fields(scope), func(item string) bool { return strings.HasPrefix(item, "session:") })
}

// hasMoved reports whether a call failed before anything of it left, because another connection has taken over: it belongs there.
func (l *link) hasMoved(err error) bool {
	if err == nil {
		return false
	}
	unsent, ok := errors.AsType[*rpc.CallError](err)
	return ok && unsent.Outcome == rpc.NotSent && l.isLeft()
}

func (l *link) isLeft() bool {
	select {
	case <-l.left:
		return true
	default:
		return false
	}
}
