package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// rotation is one way through the states of [core.Machine], which decides; this performs. One goroutine runs it; beside it run only
// the sessions' re-authentications and a reset whose reply is waited for.
type rotation struct {
	*Rotator
	id      string
	trigger Trigger
	goal    core.Goal
	patient bool   // it waits for a lease that another holds
	ends    uint64 // the generation that it is to end, 0 for whichever is current
	machine core.Machine
	waits   waits
	report  Report

	doubted bool // the current secret was not known to work

	err   error          // of the last effect
	cause error          // why it did not go straight through
	left  *DegradedError // the sessions that were left behind; nil if none were

	holder
	keyID int64
	old   Candidate // the current secret when the lease was taken
	fleet []member
	turn  time.Time // of the next session to re-authenticate

	authorities []Authority
	rescue      session.Secret // token; empty if there is none
	redeemed    session.Secret // the one before it, if that is what the store has
	demand      *challenge     // of the second factor, to be answered
	answer      answer         // to it, for the next reset
	missed      error          // why the last authority that wanted a code has not had one; nil if none did
	late        *reset         // whose reply may yet come
	unanswered  time.Time      // when the last reset was sent that has no answer, zero if there is none

	key    APIKey    // as received; its secret is in secret too
	secret Candidate // received, then verified, then current
	seen   Record    // the store's record when secret was verified
}

// member is a session to re-authenticate.
type member struct {
	Session
	before []session.ChannelStats // the reset
}

func (r *Rotator) newRotation(trigger Trigger, goal core.Goal) *rotation {
	return &rotation{
		Rotator: r, id: newID(), trigger: trigger, goal: goal, keyID: r.cfg.KeyID,
		holder: holder{owner: r.owner, ttl: r.cfg.LeaseTTL},
	}
}

// run goes from idle to idle, or to where the rotation cannot go on.
func (r *rotation) run(ctx context.Context) (Report, error) {
	return r.told(ctx, func(ctx context.Context) {
		var effects []core.Effect
		r.machine, effects = core.Start(r.goal, r.cfg.TakeBack && !r.isAsymmetric())
		for {
			event, answered := r.perform(ctx, effects)
			if !answered {
				break
			}
			next, number, todo := core.Step(r.machine, event)
			r.log(ctx, next.State, number)
			r.keepCause(next)
			r.machine, effects = next, todo
		}
		r.conclude()
	})
}

// told does the work, and tells the observer and the hook of it, and the report.
func (r *rotation) told(ctx context.Context, work func(context.Context)) (Report, error) {
	creds := r.cfg.Keyring.Current()
	started := time.Now()
	ended := func(RotationEnd) {}
	if r.cfg.Observer != nil {
		what := Rotation{ID: r.id, KeyID: r.keyID, ClientID: creds.ClientID, Trigger: r.trigger}
		ctx, ended = r.cfg.Observer.RotationStart(ctx, what)
	}
	r.report = Report{ID: r.id, Trigger: r.trigger, ClientID: creds.ClientID, Started: started}
	work(ctx)
	r.finish(started)
	if r.cfg.Hooks.Finished != nil {
		r.notify(ctx, "Finished", func(ctx context.Context) { r.cfg.Hooks.Finished(ctx, r.report) })
	}
	ended(RotationEnd{Err: r.err, Report: r.report})
	return r.report, r.err
}

// perform performs effects until one has an answer. It has none at the end of the rotation.
func (r *rotation) perform(ctx context.Context, effects []core.Effect) (event core.Event, answered bool) {
	for _, effect := range effects {
		if event, answered = r.do(ctx, effect); answered {
			return event, true
		}
	}
	return core.Event{}, false
}

// do performs an effect.
func (r *rotation) do(ctx context.Context, effect core.Effect) (event core.Event, answered bool) {
	return performers[effect](r, ctx)
}

// performer performs an effect, and says how it ended, if that is an answer.
type performer func(*rotation, context.Context) (event core.Event, answered bool)

var performers = map[core.Effect]performer{
	core.TakeLease:      withLedger((*rotation).takeLease),
	core.Retake:         withLedger((*rotation).retake),
	core.Check:          always((*rotation).check),
	core.Intend:         always((*rotation).intend),
	core.Arm:            always((*rotation).arm),
	core.Send:           always((*rotation).send),
	core.AskCode:        always((*rotation).askCode),
	core.AwaitReply:     perhaps(core.KeyCame, (*rotation).awaitReply),
	core.Store:          always((*rotation).persist),
	core.TellUnsaved:    never((*rotation).tellUnsaved),
	core.Try:            always((*rotation).trySecret),
	core.Promote:        always((*rotation).promote),
	core.Publish:        always((*rotation).publish),
	core.Reauthenticate: always((*rotation).reauthenticate),
	core.Quarantine:     perhaps(core.Stopped, (*rotation).quarantine),
	core.Settle:         always((*rotation).settle),
	core.ShutGate:       never(func(r *rotation, _ context.Context) { r.cfg.Keyring.shut() }),
	core.OpenGate:       never(func(r *rotation, _ context.Context) { r.cfg.Keyring.open() }),
	core.ClearIntent:    never((*rotation).clearIntent),
	core.Forgo:          never((*rotation).dropRescue),
	core.Release:        always((*rotation).release),
}

func withLedger(fn func(*rotation, context.Context) core.Event) performer {
	return func(r *rotation, ctx context.Context) (core.Event, bool) { return fn(r, ctx), true }
}

func always(fn func(*rotation, context.Context) core.EventKind) performer {
	return func(r *rotation, ctx context.Context) (core.Event, bool) { return core.Event{Kind: fn(r, ctx)}, true }
}

func perhaps(kind core.EventKind, fn func(*rotation, context.Context) bool) performer {
	return func(r *rotation, ctx context.Context) (core.Event, bool) { return core.Event{Kind: kind}, fn(r, ctx) }
}

func never(fn func(*rotation, context.Context)) performer {
	return func(r *rotation, ctx context.Context) (core.Event, bool) {
		fn(r, ctx)
		return core.Event{}, false
	}
}

// keepCause keeps why the rotation does not go straight through.
func (r *rotation) keepCause(next core.Machine) {
	if next.State != core.Unknown || r.machine.State == core.Unknown {
		return
	}
	r.doubted = true
	if next.Goal == core.Recover {
		r.trigger, r.report.Trigger = TriggerRecover, TriggerRecover
	}
	if r.err != nil {
		r.cause = errors.Join(r.cause, r.err)
	}
}

// conclude turns how the rotation ended into its error.
func (r *rotation) conclude() {
	switch m := r.machine; {
	case m.State == core.LockedOut:
		r.err = &LockedOutError{
			KeyID: r.keyID, ClientID: r.report.ClientID, Tried: m.Secret + 1, Err: errors.Join(r.cause, r.whyLockedOut()),
		}
	case m.State == core.Degraded && r.left != nil:
		r.err = r.left
	case !m.Rests():
		r.err = r.interrupted()
	case m.State == core.Idle && !m.Doubt && r.goal == core.Rotate && r.cause != nil && r.secret.Secret.Equal(r.old.Secret):
		r.err = r.notExecuted()
	}
}

// notExecuted is the error of a reset that left the key as it was. One that has reset another key is not to be sent again.
func (r *rotation) notExecuted() error {
	if _, another := errors.AsType[*UnsavedError](r.cause); another {
		return r.cause
	}
	return fmt.Errorf("%w: %w", ErrNotExecuted, r.cause)
}

// whyLockedOut is what a person goes by, who has the next generation from the keyring: it must not be behind the store.
func (r *rotation) whyLockedOut() error {
	reason := errors.Join(r.err, r.adopt(r.seen))
	if r.missed != nil && !errors.Is(reason, r.missed) {
		reason = errors.Join(r.missed, reason)
	}
	if r.isAsymmetric() {
		reason = errors.Join(errUnusable, reason)
	} else if !r.machine.Ours {
		reason = errors.Join(ErrForeignReset, reason)
	}
	if r.machine.InVain() {
		reason = errors.Join(ErrResetsUnanswered, reason)
	}
	return reason
}

// interrupted says what is left to do.
func (r *rotation) interrupted() error {
	why := errors.Join(r.cause, r.err)
	state := r.machine.State
	if state == core.Received || state == core.Unsaved {
		return &UnsavedError{Key: r.key, Err: why}
	}
	if state == core.Durable || state == core.Verified {
		return fmt.Errorf("rotate: stopped before generation %d was published: it is stored, call Recover: %w", r.secret.Generation, why)
	}
	if state == core.Settling {
		return fmt.Errorf("rotate: stopped before it was certain that no reset is executed late: generation %d is published, call Recover: %w",
			r.secret.Generation, why)
	}
	if _, said := errors.AsType[*UnknownOutcomeError](why); said {
		return why
	}
	return r.unknownOutcome(why)
}

// waits paces what is tried again.
type waits struct {
	of   core.Effect
	next interface{ NextBackOff() time.Duration }
}

// bounds are of a pause.
type bounds struct{ shortest, longest time.Duration }

// pauses bound the pauses before an effect is performed again.
var pauses = map[core.Effect]bounds{
	core.Retake:  {100 * time.Millisecond, 10 * time.Second},
	core.Arm:     {time.Second, time.Minute}, // resets follow each other: the exchange counts them
	core.Store:   {10 * time.Millisecond, time.Second},
	core.Try:     {100 * time.Millisecond, 30 * time.Second},
	core.Promote: {10 * time.Millisecond, time.Second},
	core.Settle:  {10 * time.Millisecond, time.Second},
}

// pauseBefore waits if the effect was performed in vain before, until the Rotator closes.
func (r *rotation) pauseBefore(ctx context.Context, effect core.Effect, stop <-chan struct{}) error {
	if r.machine.Attempt == 0 {
		return nil
	}
	if r.waits.next == nil || r.waits.of != effect || r.machine.Attempt == 1 {
		r.waits = waits{effect, retry.Backoff(pauses[effect].shortest, pauses[effect].longest)}
	}
	return pause(ctx, stop, r.waits.next.NextBackOff())
}

// clearIntent undoes what is known not to have been executed, even if ctx has ended.
func (r *rotation) clearIntent(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_, err := r.journal.update(ctx, func(record *Record) error { return record.withdraw(r.id) })
	if err != nil && !errors.Is(err, errNothingToDo) {
		r.warn(ctx, "rotation intent: Recover will clear it", err)
	}
}

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
	switch m := r.machine; {
	case m.State == core.LockedOut:
		return LockedOut
	case m.State == core.Degraded:
		return Degraded
	case m.State != core.Idle, r.err != nil && r.trigger == TriggerRecover:
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

func (r *rotation) log(ctx context.Context, to core.State, number core.Transition) {
	if to == r.machine.State {
		return
	}
	attrs := []slog.Attr{
		slog.String("rotation", r.id), slog.Int64("key", r.keyID),
		slog.String("from", r.machine.State.String()), slog.String("to", to.String()),
	}
	if number != 0 {
		attrs = append(attrs, slog.Any("transition", number))
	}
	level := slog.LevelInfo
	if r.err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("reason", r.err))
	}
	if to == core.LockedOut || to == core.Unsaved {
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
