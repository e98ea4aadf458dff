package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

const (
	// askAgain is how long what puts a rotation off is taken to last.
	askAgain = time.Minute
	// lookAgain bounds a wait: the store may have another's secret, and timers stand still while a machine sleeps.
	lookAgain = time.Hour
)

var (
	// errPaused is a kill switch that is on.
	errPaused = errors.New("rotate: schedule: paused")
	// errTurnTaken is a rotation that another has made between the last look at the store and the lease.
	errTurnTaken = errors.New("rotate: schedule: another has rotated meanwhile")
	// errNoReturn is a hook that is not asked again before it has returned: each time could cost a goroutine, or a thread.
	errNoReturn = errors.New("has not returned since it was last asked")
)

// scheduler is a Run. One goroutine has it.
type scheduler struct {
	*Rotator
	Schedule
	retries interface {
		NextBackOff() time.Duration
		Reset()
	}

	since   time.Time // when the secret was received, or checked in a dry run; zero if nobody knows
	due     time.Time // drawn once for each secret; zero if not yet
	ends    uint64    // the secret's generation
	refused time.Time // when Condition first put this rotation off, zero if it has not
	checked time.Time // the last good dry run
	reason  string    // that was logged for putting this rotation off

	asked map[string]chan struct{} // closed when the hook of that name has returned
}

func newScheduler(r *Rotator, s Schedule) *scheduler {
	return &scheduler{Rotator: r, Schedule: s, retries: retry.Backoff(askAgain, lookAgain), asked: map[string]chan struct{}{}}
}

// loop is the life of a Run.
func (s *scheduler) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		wait, err := s.tick(ctx)
		switch {
		case needsPerson(err), err != nil && s.isClosing():
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			wait = s.retries.NextBackOff()
			s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "rotation schedule: tried again",
				slog.Duration("after", wait), slog.Any("error", err))
		}
		if err := pause(ctx, s.closing, min(wait, lookAgain)); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// needsPerson reports whether trying again is of no use, or would do harm. Who was locked out for want of a code is asked for one again.
func needsPerson(err error) bool {
	locked, lockedOut := errors.AsType[*LockedOutError](err)
	_, unsaved := errors.AsType[*UnsavedError](err)
	return lockedOut && !isMissedCode(locked.Err) || unsaved ||
		errors.Is(err, ErrMismatch) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNoSecondFactor)
}

// tick does what can be done now, and returns how long there is nothing to do.
func (s *scheduler) tick(ctx context.Context) (wait time.Duration, err error) {
	behind, err := s.settle(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.draw(ctx); err != nil {
		return 0, err
	}
	wait = time.Until(s.due)
	switch {
	case wait <= 0:
		return s.turn(ctx)
	case behind:
		return min(wait, s.retries.NextBackOff()), nil
	}
	s.retries.Reset()
	return wait, nil
}

// settle finishes what is unfinished; a dry run does not. Sessions that stay behind are no error: there is more to do than to try them again.
func (s *scheduler) settle(ctx context.Context) (behind bool, err error) {
	want := order{trigger: TriggerRecover, stays: true}
	if s.DryRun {
		want.trigger = triggerFollow
	}
	_, err = s.fly(ctx, want)
	if _, behind = errors.AsType[*DegradedError](err); behind {
		return true, nil
	}
	return false, err
}

// draw sets when the secret that the store has is due.
func (s *scheduler) draw(ctx context.Context) error {
	record, err := s.journal.load(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if errors.Is(err, ErrNotFound) {
		record.Current.Generation = s.cfg.Keyring.Current().Generation // which the store will be given
	}
	s.ends = record.Current.Generation
	since := record.Current.Received
	if s.checked.After(since) {
		since = s.checked
	}
	if !s.due.IsZero() && since.Equal(s.since) {
		return nil
	}
	s.since, s.refused, s.reason = since, time.Time{}, ""
	s.due = time.Now()
	// A secret from further in the future than it may become old is of unknown age too.
	if !since.IsZero() && since.Before(s.due.Add(s.Interval)) {
		early := time.Duration(max(0, s.Jitter) * float64(s.Interval))
		s.due = since.Add(s.Interval - rand.N(early+1))
	}
	s.due = s.due.Round(0) // by the clock on the wall, which a sleeping machine does not stop
	s.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "rotation scheduled", slog.Time("due", s.due))
	return nil
}

// turn rotates, unless something puts that off: then it returns when to ask again.
func (s *scheduler) turn(ctx context.Context) (wait time.Duration, err error) {
	if wait := s.obstacle(ctx); wait > 0 {
		return wait, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	// Who ends ctx must not find the process gone in the middle of a reset.
	whole := context.WithoutCancel(ctx)
	if !s.DryRun {
		_, err = s.fly(whole, order{trigger: TriggerRotate, ends: s.ends})
		if errors.Is(err, errTurnTaken) {
			return 0, nil
		}
		return 0, err
	}
	if _, err = s.Check(whole); err == nil {
		s.checked = time.Now()
	}
	return 0, err
}

// obstacle returns how long to wait for what is in the way of a rotation, 0 if nothing is.
func (s *scheduler) obstacle(ctx context.Context) time.Duration {
	wait := s.shutOut(ctx)
	if wait > 0 || s.Condition == nil {
		return wait
	}
	if err := s.ask(ctx, "Condition", s.Condition); err != nil {
		if s.refused.IsZero() {
			s.refused = time.Now()
		}
		if left := s.MaxDelay - time.Since(s.refused); left > 0 {
			s.putOff(ctx, err)
			return min(left, askAgain)
		}
		s.warn(ctx, "rotation schedule: the condition is overruled", err)
	}
	return s.shutOut(ctx) // for the condition may have taken its time
}

// shutOut returns how long to wait for what nothing overrules.
func (s *scheduler) shutOut(ctx context.Context) time.Duration {
	if s.Paused != nil {
		err := s.ask(ctx, "Paused", func(context.Context) error {
			if s.Paused() {
				return errPaused
			}
			return nil
		})
		if err != nil { // a switch that does not work is on
			s.putOff(ctx, err)
			return askAgain
		}
	}
	now := time.Now().Round(0)
	free, _ := opens(s.Blackout, now)
	if free.Equal(now) {
		return 0
	}
	s.putOff(ctx, fmt.Errorf("rotate: schedule: blackout until %s", free.UTC().Format(time.TimeOnly)))
	s.due = free.Add(rand.N(askAgain)) // not all rotators of the world at once
	return time.Until(s.due)
}

// ask asks a hook, unless that has yet to return from the last time.
func (s *scheduler) ask(ctx context.Context, name string, fn func(context.Context) error) error {
	if last := s.asked[name]; last != nil {
		select {
		case <-last:
		default:
			return &HookError{Hook: name, Err: errNoReturn}
		}
	}
	returned := make(chan struct{})
	s.asked[name] = returned
	return s.guard(ctx, name, s.cfg.HookTimeout, func(ctx context.Context) error {
		defer close(returned)
		return fn(ctx)
	})
}

// putOff tells an operator once of each reason.
func (s *scheduler) putOff(ctx context.Context, reason error) {
	if reason.Error() == s.reason {
		return
	}
	s.reason = reason.Error()
	s.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "rotation put off", slog.Any("reason", reason))
}
