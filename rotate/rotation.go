package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/session"
)

// rotation is one way through the states. One goroutine runs it; only the sessions' re-authentications run beside it.
type rotation struct {
	*Rotator
	id      string
	trigger Trigger
	patient bool   // it waits for a lease that another holds
	ends    uint64 // the generation that it is to end, 0 for whichever is current
	state   state
	err     error // why it did not go straight through
	report  Report

	lease Lease
	keyID int64
	old   Candidate // the current secret when the lease was taken

	authority Authority
	fleet     []member
	rounds    int        // of the second factor
	demand    *challenge // of the second factor, to be answered
	answer    answer     // to it, for the next reset

	key    APIKey    // as received; its secret is in secret too
	secret Candidate // received, then verified, then current
	seen   Record    // the store's record when secret was verified
}

// member is a session to re-authenticate.
type member struct {
	Session
	before []session.ChannelStats // the reset
}

func (r *Rotator) newRotation(trigger Trigger) *rotation {
	return &rotation{Rotator: r, id: newID(), trigger: trigger, keyID: r.cfg.KeyID}
}

// run goes from idle to idle, or to where the rotation cannot go on.
func (r *rotation) run(ctx context.Context) (Report, error) {
	creds := r.cfg.Keyring.Current()
	started := time.Now()
	ended := func(RotationEnd) {}
	if r.cfg.Observer != nil {
		what := Rotation{ID: r.id, KeyID: r.keyID, ClientID: creds.ClientID, Trigger: r.trigger}
		ctx, ended = r.cfg.Observer.RotationStart(ctx, what)
	}
	r.report = Report{ID: r.id, Trigger: r.trigger, ClientID: creds.ClientID, Started: started}
	for {
		next := r.act(ctx)
		if next == r.state {
			break
		}
		if !r.state.mayGo(next) {
			panic(fmt.Sprintf("rotate: no edge from %v to %v", r.state, next))
		}
		r.log(ctx, next)
		r.state = next
		if next == idle {
			break
		}
	}
	r.finish(started)
	if r.cfg.Hooks.Finished != nil {
		r.notify(ctx, "Finished", func(ctx context.Context) { r.cfg.Hooks.Finished(ctx, r.report) })
	}
	ended(RotationEnd{Err: r.err, Report: r.report})
	return r.report, r.err
}

// act does what the state asks for and returns the next one, or the same one if the rotation cannot go on.
func (r *rotation) act(ctx context.Context) state {
	switch r.state {
	case idle:
		return r.begin(ctx)
	case leased:
		return r.prepare(ctx)
	case prepared:
		return r.arm(ctx)
	case resetting:
		return r.reset(ctx)
	case challenged:
		return r.answerChallenge(ctx)
	case received:
		return r.persist(ctx)
	case unsaved:
		return r.persistAgain(ctx)
	case durable:
		return r.verify(ctx)
	case verified:
		return r.publish(ctx)
	case promoted:
		return r.announce(ctx)
	case reauthing:
		return r.reauthenticate(ctx)
	case settling:
		r.release(ctx)
		return idle
	case degraded:
		r.release(ctx)
		return degraded
	case aborted:
		return r.abort(ctx)
	case unknown:
		r.cfg.Keyring.shut()
		return probing
	case probing:
		return r.probe(ctx)
	case lockedOut:
		r.release(ctx)
		return lockedOut
	}
	panic(fmt.Sprintf("rotate: no such state: %v", r.state))
}

// begin takes the lease.
func (r *rotation) begin(ctx context.Context) state {
	r.err = r.step(ctx, StepLease, func(ctx context.Context) error {
		waits := retry.Backoff(100*time.Millisecond, 5*time.Second)
		for {
			err := r.acquire(ctx)
			if _, held := errors.AsType[*LeaseHeldError](err); !held || !r.patient {
				return err
			}
			if pause(ctx, r.closing, waits.NextBackOff()) != nil {
				return err
			}
		}
	})
	if r.err != nil {
		return idle
	}
	return leased
}

// abort undoes what is known not to have been executed.
func (r *rotation) abort(ctx context.Context) state {
	_, err := r.journal.update(ctx, func(record *Record) error {
		if record.Intent == nil || record.Intent.ID != r.id {
			return errNothingToDo
		}
		record.Intent = nil
		return nil
	})
	if err != nil && !errors.Is(err, errNothingToDo) {
		r.warn(ctx, "rotation intent: Recover will clear it", err)
	}
	r.cfg.Keyring.open()
	r.release(ctx)
	return idle
}

// errNothingToDo ends an update that would change nothing.
var errNothingToDo = errors.New("rotate: nothing to do")

// step tells the observer and the report of a step.
func (r *rotation) step(ctx context.Context, kind StepKind, fn func(context.Context) error) error {
	started := time.Now()
	ctx, ended := r.observe(ctx, Step{Kind: kind})
	err := fn(ctx)
	ended(err)
	r.report.Steps = append(r.report.Steps, StepReport{
		Kind: kind, Started: started, Duration: time.Since(started), Err: text(err),
	})
	return err
}

func (r *rotation) observe(ctx context.Context, step Step) (context.Context, func(error)) {
	if r.cfg.Observer == nil {
		return ctx, func(error) {}
	}
	return r.cfg.Observer.RotationStep(ctx, step)
}

// finish completes the report.
func (r *rotation) finish(started time.Time) {
	r.report.KeyID = r.keyID
	r.report.Duration = time.Since(started)
	r.report.OldGeneration = r.old.Generation
	r.report.OldFingerprint = r.old.Secret.Fingerprint()
	if !r.secret.Secret.IsZero() && !r.secret.Secret.Equal(r.old.Secret) {
		r.report.NewGeneration = r.secret.Generation
		r.report.NewFingerprint = r.secret.Secret.Fingerprint()
	}
	r.report.Outcome = r.outcome()
	r.report.Err = text(r.err)
}

func (r *rotation) outcome() Outcome {
	switch {
	case r.state == lockedOut:
		return LockedOut
	case r.state == degraded:
		return Degraded
	case r.state != idle, r.err != nil && r.trigger == TriggerRecover:
		return Unfinished
	case r.err != nil:
		return Aborted
	case r.trigger == TriggerRecover:
		return Recovered
	case r.trigger == TriggerCheck:
		return Checked
	}
	return Rotated
}

func (r *rotation) log(ctx context.Context, to state) {
	attrs := []slog.Attr{
		slog.String("rotation", r.id), slog.Int64("key", r.keyID),
		slog.String("from", r.state.String()), slog.String("to", to.String()),
	}
	level := slog.LevelInfo
	if r.err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("reason", r.err))
	}
	if to == lockedOut || to == unsaved {
		level = slog.LevelError
	}
	r.cfg.Logger.LogAttrs(ctx, level, "rotation "+to.String(), attrs...)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
