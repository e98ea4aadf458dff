package rotate

import (
	"context"
	"fmt"
	"time"
)

// Schedule says when Run rotates. The zero Schedule rotates once a day, but not around the exchange's settlement.
type Schedule struct {
	// Interval is the age that a secret may reach, at least a minute; 0 means 24 h: a secret that has leaked is good for a day
	// at most, and a person can still look at each report.
	Interval time.Duration
	// Jitter is the share of Interval by which a rotation comes early, at random from none to all of it, so that rotators that
	// were started together part. At most 1; 0 means 0.1, less than 0 none.
	Jitter float64
	// Blackout are the times of day at which no rotation begins; nil means [Settlement], an empty list none. Leave a margin: a
	// rotation that has begun just before goes on.
	Blackout []Window
	// Condition is asked just before a rotation; its error puts that off, and it is asked again within a minute. Nil means none.
	// It is called as Hooks are; who overstays Config.HookTimeout has refused.
	//
	// It is a wish, as for a moment without orders in flight: after MaxDelay Run rotates all the same. What nothing may
	// overrule belongs into Paused or Hooks.BeforeReset.
	Condition func(ctx context.Context) error
	// MaxDelay bounds how long Condition puts a rotation off; 0 means a quarter of Interval.
	MaxDelay time.Duration
	// Paused is the kill switch: while it returns true no rotation begins. It is asked before each rotation, and again within a
	// minute, as Condition is. It may look whether a file is there, say. A rotation that has begun, and the recovery of an unfinished one, are
	// not stopped by it: both leave a key that works. Nil means never.
	Paused func() bool
	// DryRun calls Check in the place of Rotate, and no Recover: no key is changed. Sessions take what others have rotated to. An
	// unfinished rotation stays: Run logs [ErrUnfinished], and checks when somebody has called Recover.
	DryRun bool
}

// Run rotates as s says, until ctx ends, the Rotator is closed, or a person is needed. It begins with Recover, unless in a dry run.
//
// The age of a secret counts from when the exchange gave it, as the store knows: a restart changes nothing. If the store does not
// know (Candidate.Received is zero) the secret is due at once. What is due in a blackout is done within a minute of its end.
// Several processes may Run on one store: who is first rotates, the others go by the new secret's age.
//
// What fails is tried again, first after a minute or so, in the end about once an hour; sessions that were left behind are brought
// to the current secret meanwhile, as by Recover. Reports go to Hooks.Finished, what puts a rotation off to Config.Logger.
//
// When ctx ends Run returns its cause, but not in the middle of a rotation, nor of a recovery that may have reset the key: that is first
// let come to rest, and Close bounds how long it takes. A recovery that has not come so far goes on until Close. Errors that need a person end Run: a [*LockedOutError], unless only a code of the second factor is missing, which is then
// asked for again; an [*UnsavedError], or one that matches [ErrMismatch], [ErrCorrupt] or [ErrNoSecondFactor]. A Schedule that cannot work gives one that matches [ErrConfig], and Close gives [ErrClosed]
// or the error of the rotation that it ended.
func (r *Rotator) Run(ctx context.Context, s Schedule) error {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return err
	}
	done := make(chan error, 1)
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.work.Go(func() { done <- newScheduler(r, s).loop(ctx) })
	}
	r.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return <-done
}

func (s Schedule) withDefaults() Schedule {
	if s.Interval == 0 {
		s.Interval = day
	}
	if s.Jitter == 0 {
		s.Jitter = 0.1
	}
	if s.Blackout == nil {
		s.Blackout = []Window{Settlement()}
	}
	if s.MaxDelay == 0 {
		s.MaxDelay = s.Interval / 4
	}
	return s
}

func (s Schedule) validate() error {
	for _, w := range s.Blackout {
		if !w.valid() {
			return fmt.Errorf("%w: Schedule.Blackout: %v to %v after midnight is no time of day", ErrConfig, w.From, w.To)
		}
	}
	_, free := opens(s.Blackout, time.Time{})
	switch {
	case !free:
		return fmt.Errorf("%w: Schedule.Blackout: is all the day: no rotation could begin", ErrConfig)
	case s.Interval < time.Minute:
		return fmt.Errorf("%w: Schedule.Interval: %v is less than a minute", ErrConfig, s.Interval)
	case !(s.Jitter <= 1): // NaN too
		return fmt.Errorf("%w: Schedule.Jitter: %v is more than the whole interval", ErrConfig, s.Jitter)
	case s.MaxDelay < 0:
		return fmt.Errorf("%w: Schedule.MaxDelay: %v is negative", ErrConfig, s.MaxDelay)
	}
	return nil
}
