package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-ws/holdfast/rpc"
)

const (
	goodbyeTimeout = time.Second
	// steadyAfter is how long a connection must have been ready before the next loss counts as a first one. Resetting the
	// backoff at once would let a login that flaps hammer the exchange; with this, it sees at most about one attempt a second.
	steadyAfter = time.Second
	// limitedPause is the least wait after the exchange said that there are too many connections or requests.
	limitedPause = 5 * time.Second
	// refusedPause is between two authentications with credentials that are refused, on a connection that goes on with
	// the token that it has: people and rotations may mend them, and the exchange counts failures.
	refusedPause = 5 * time.Minute
	// skewPause is the least wait after a signature was refused for the clock: somebody may set it, and the exchange counts
	// failures.
	skewPause = time.Minute
)

// supervise is the session's one goroutine that decides: it opens connections, tends them, and moves the state. first is
// told the outcome of the first attempt, whose failure is final.
func (s *Session) supervise(first chan<- error) {
	wait := s.cfg.NewBackoff()
	for {
		var readyAt time.Time
		err := s.connectAndTend(func() {
			readyAt = time.Now()
			if first != nil {
				first <- nil
				first = nil
			}
		})
		if first != nil || s.isFinal(err) {
			s.finish(err, first)
			return
		}
		if !readyAt.IsZero() && time.Since(readyAt) >= steadyAfter {
			wait.Reset()
		}
		s.pauses.Add(1)
		s.setState(Backoff, err)
		if !s.pause(wait.NextBackOff(), err) {
			s.finish(s.why(err), nil)
			return
		}
	}
}

// isFinal reports whether a session must end with err rather than connect again.
func (s *Session) isFinal(err error) bool {
	_, refused := errors.AsType[*AuthError](err)
	return refused || s.ctx.Err() != nil || errors.Is(err, ErrClosed)
}

// why is the reason of the session's end: that of whoever ended it, else err.
func (s *Session) why(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

// finish ends the session for good: nothing of it is left when done is closed.
func (s *Session) finish(err error, first chan<- error) {
	err = s.why(err)
	s.end(err)
	s.subs.end(err)
	s.setState(Closed, err)
	s.work.Wait()
	if s.cfg.Observer != nil {
		s.cfg.Observer.Ended(s)
	}
	if first != nil {
		first <- err
	}
	close(s.done)
}

// spawn runs f with ctx on a goroutine that the session waits for before it is done. It reports false, and does not run f, if the
// session is ending.
func (s *Session) spawn(ctx context.Context, f func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Closed {
		return false
	}
	s.work.Go(func() { s.labelled(ctx, f) })
	return true
}

// pause waits between two attempts, at least as long as err asks for. Who wants a connection ends the rest of the wait, once: who asked
// before it has had the attempt that failed since. It reports false if the session is to end.
func (s *Session) pause(wait time.Duration, err error) bool {
	if wait < 0 {
		return false
	}
	least := leastPause(err)
	begun := time.Now()
	timer := time.NewTimer(max(wait, least))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case r := <-s.renew:
			r.done <- nil // a new connection is on its way anyway
			if r.pause == s.pauses.Load() {
				timer.Reset(least - time.Since(begun))
			}
		case <-s.closing:
			s.end(ErrClosed)
			return false
		case <-s.ctx.Done():
			return false
		}
	}
}

// leastPause is how long nobody may connect after err.
func leastPause(err error) (least time.Duration) {
	if isLimited(err) {
		least = limitedPause
	}
	if _, skewed := errors.AsType[*ClockSkewError](err); skewed {
		least = max(least, skewPause)
	}
	return least
}

// isLimited reports whether the exchange asked for less.
func isLimited(err error) bool {
	if h, ok := errors.AsType[*rpc.HandshakeError](err); ok {
		return h.Status == http.StatusTooManyRequests || h.Status == http.StatusServiceUnavailable
	}
	if errors.Is(err, ErrRateLimited) {
		return true
	}
	if e, ok := errors.AsType[*rpc.Error](err); ok {
		return e.Code == CodeTooManyRequests || e.Code == CodeMaintenance
	}
	return false
}

// connectAndTend opens a connection, tends it and those that follow it without a break, and returns why the last one ended. ready
// is called when the session is.
func (s *Session) connectAndTend(ready func()) (err error) {
	s.setState(Connecting, nil)
	l := s.newLink()
	close(l.whole)
	s.setEpoch(l.epoch)
	if err := s.dial(l); err != nil {
		l.opened(StepEnd{Err: err})
		l.hangUp()
		return err
	}
	established := make(chan error, 1)
	s.work.Go(func() {
		err := s.establish(l.opening, l)
		l.opened(StepEnd{Err: err, Generation: l.generation.Load()})
		established <- err
	})
	t := tending{link: l, established: established, ready: ready, hurry: make(chan struct{})}
	err = s.tend(&t)
	last := t.link
	s.live.Store(nil)
	last.hangUp()
	close(t.hurry)
	t.leaving.Wait() // nothing of this connection, and of those before it, comes after what the next one brings
	if t.established != nil {
		// An exchange that refuses may close the connection too: the refusal is the reason.
		if refusal := <-established; s.isFinal(refusal) || isLimited(refusal) {
			err = refusal
		}
	}
	if s.isFinal(err) {
		return err
	}
	s.subs.lost(last.epoch)
	return last.blame(err)
}

// dial opens a connection, and lets Close end the wait.
func (s *Session) dial(l *link) (err error) {
	dialed := make(chan struct{})
	s.work.Go(func() {
		defer close(dialed)
		err = l.dial(l.ctx)
	})
	select {
	case <-dialed:
	case <-s.closing:
		s.end(ErrClosed)
		<-dialed
	}
	return err
}

func (s *Session) setEpoch(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch = epoch
}

// establish makes a fresh connection what the session promises.
func (s *Session) establish(ctx context.Context, l *link) error {
	s.setState(Authenticating, nil)
	if err := s.auth.login(ctx, l); err != nil {
		return err
	}
	s.setState(Resuming, nil)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.configure(ctx, l) })
	both.Go(func() error { return s.resume(ctx, l) }) // the first channel need not wait for what no channel needs
	return both.Wait()
}

// tending is what the supervisor knows of the connection that it tends.
type tending struct {
	link        *link
	established <-chan error // nil once it has spoken
	ready       func()
	renewal     <-chan time.Time // when to renew the token
	watch       watch
	probe       prober
	answered    chan struct{}    // closed when the answer to a test_request is done, nil while there is none
	tested      time.Time        // when a test_request was answered last
	test        <-chan time.Time // when the next one is to be answered, nil while none waits
	leaving     sync.WaitGroup   // who retires connections
	hurry       chan struct{}    // closed when they are to be quick
	reopened    <-chan struct{}  // closed when maintenance is over, nil while there is none
	next        *handover        // to the connection that is to follow, nil while there is none
}

// tend serves a connection, and those that follow it, until the last ends, and says why.
func (s *Session) tend(t *tending) error {
	look, stop := s.looks()
	defer stop()
	t.watch.begin(t.link)
	for {
		select {
		case <-t.link.conn.Done():
			if !s.conclude(t) {
				return t.link.conn.Err()
			}
		case err := <-t.established:
			t.established = nil
			if err != nil {
				return err
			}
			if s.cfg.CancelOnDisconnect {
				t.probe.arm()
			}
			s.serve(t)
			t.ready()
		case <-t.tests():
			if rest := testRest - time.Since(t.tested); rest > 0 {
				t.test = time.After(rest)
			} else {
				s.answerTest(t)
			}
		case <-t.answered:
			t.answered = nil
		case <-t.test:
			s.answerTest(t)
		case now := <-look:
			if silence := s.listen(t, now); silence > 0 {
				t.link.giveUp(fmt.Errorf("%w for %v", ErrSilent, silence.Round(time.Second)))
			}
		case <-s.auth.relied:
			t.probe.arm()
		case <-t.probe.due:
			s.probe(t)
		case <-t.link.shut:
			s.suspend(t)
		case <-t.reopened:
			s.reopen(t)
		case <-t.renewal:
			t.renewal = nil
			s.beginRenewal(t.link)
		case <-s.auth.renewed:
			t.renewal = s.renewalTimer(t.link)
		case r := <-s.renew:
			s.replace(t, r)
		case next := <-t.succeeded():
			s.follow(t, next)
		case <-s.closing:
			s.conclude(t)
			s.live.Store(nil)
			t.link.goodbye(s.ctx, nil)
			return ErrClosed
		case <-s.ctx.Done():
			s.conclude(t)
			return context.Cause(s.ctx)
		}
	}
}

// serve makes the connection that is tended the one that calls go over.
func (s *Session) serve(t *tending) {
	l := t.link
	t.renewal, t.probe.auths = s.renewalTimer(l), l.auths.Load()
	t.watch.begin(l)
	t.reopened = nil
	s.live.Store(l)
	s.settle(l)
	s.learnLimits(l)
	s.setState(Ready, nil)
}

// renewalTimer fires when the token should be renewed: at a random point between 85 and 95 % of what is left of its
// life, so that sessions that were opened together do not renew together.
func (s *Session) renewalTimer(l *link) <-chan time.Time {
	expires := l.expires.Load()
	if expires == 0 {
		return nil
	}
	left := time.Until(time.Unix(0, expires))
	part := 0.85 + 0.1*rand.Float64()
	return time.After(max(time.Second, time.Duration(part*float64(left))))
}

// beginRenewal has the token renewed.
func (s *Session) beginRenewal(l *link) {
	s.work.Go(func() { s.renewToken(l) })
}

// renewToken renews the token before it ends, and goes on trying while the connection lives and nobody else has authenticated it.
func (s *Session) renewToken(l *link) {
	wait := again()
	for {
		auths := l.auths.Load()
		err := s.auth.renewToken(l.ctx, l)
		if err == nil || l.ctx.Err() != nil {
			return
		}
		s.log(slog.LevelWarn, "token renewal", slog.Any("error", err))
		delay := wait.NextBackOff()
		if isRefusal(err) {
			delay = max(delay, refusedPause)
		}
		if !sleep(l.ctx, delay) || l.auths.Load() != auths {
			return
		}
	}
}
