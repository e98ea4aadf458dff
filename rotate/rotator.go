package rotate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// Rotator turns the secret of one key. It is safe for concurrent use.
type Rotator struct {
	cfg     Config
	journal *journal
	spare   *journal // nil if there is none
	owner   string   // of leases
	outside outside

	work    sync.WaitGroup // every goroutine of the Rotator
	closing chan struct{}  // closed when Close begins: what can be taken up later stops

	mu     sync.Mutex // protects the fields below
	closed bool
	flight *flight
	spent  time.Time // when the credits are back that verifications have cost
}

// flight is a rotation or recovery under way, and those who wait for it.
type flight struct {
	order
	cancel context.CancelCauseFunc
	armed  bool          // a reset may have left; protected by Rotator.mu
	done   chan struct{} // closed after the fields below were stored
	report Report
	err    error
}

// order is what a flight is asked to do.
type order struct {
	trigger Trigger
	ends    uint64 // the generation that a scheduled rotation is to end, 0 for whichever is current
	stays   bool   // who asks waits on for a flight that has armed a reset, though their ctx ends: the process may end with them
}

// triggerFollow orders what a dry run has in the place of Recover. No Report has it.
const triggerFollow Trigger = "follow"

// New returns a Rotator. It starts nothing. Its error matches [ErrConfig].
func New(cfg Config) (*Rotator, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r := &Rotator{
		cfg:     cfg,
		journal: newJournal(cfg.Store, cfg.StoreTimeout),
		owner:   newID(),
		outside: throwaway(cfg.Throwaway),
		closing: make(chan struct{}),
	}
	if cfg.Spare != nil {
		r.spare = newJournal(cfg.Spare, cfg.StoreTimeout)
	}
	return r, nil
}

// newID returns what nobody else calls a rotation or an owner.
func newID() string { return rand.Text()[:16] }

// Rotate resets the key's secret, and returns when the new one is stored, was accepted by the exchange, and is what every
// session uses. One rotation runs at a time: a second caller joins the first and gets the same Report, whose slices nobody may
// change. A ctx that has ended begins nothing. Ending it later detaches the caller alone; the rotation goes on under the Rotator's own life.
//
// If the store shows a rotation that was not finished, it is finished first, as by Recover.
//
// Errors: before the reset a [*LeaseHeldError], a [*PreflightError], a [*HookError], a [*SecondFactorError], an [*rpc.Error], or
// the store's; [ErrNotExecuted] after a reset that was lost on its way; a [*LockedOutError]; a [*DegradedError], which comes
// with everything done but some sessions; after a Close an [*UnsavedError], an [*UnknownOutcomeError] or [ErrClosed]. Where the
// exchange or the store cannot be reached after the reset, the rotation waits for them.
func (r *Rotator) Rotate(ctx context.Context) (Report, error) {
	return r.fly(ctx, order{trigger: TriggerRotate})
}

// Recover finishes all that rotations left unfinished: it tries the secrets that the store has, newest first, each on a connection
// of its own, and makes the one that the exchange takes the current one. Where a replacement is unfinished too, that comes next, and
// the Report is of it. Without an unfinished rotation it publishes what the
// store has, if that is newer, and has sessions that were left behind take it. Call it before sessions are dialed, and after a Rotate that could not finish.
//
// Where the exchange refuses the new key of a replacement before the old one is removed, the old one becomes the current one again.
//
// A key that a replacement has left is removed by an authority. While there is none, no session and no Config.Authority, the key stays:
// the Report has the Outcome [Unfinished] and a warning that names it, and there is no error. The next Recover or Rotate removes it, and
// so does Run.
//
// It shares the rules of Rotate, and its errors. No secret is dropped that was not superseded by one that works.
func (r *Rotator) Recover(ctx context.Context) (Report, error) {
	return r.fly(ctx, order{trigger: TriggerRecover})
}

// Check does what Rotate does before the reset, the preflight above all, and changes no key. An unfinished rotation it leaves alone:
// its error matches [ErrUnfinished] then. Other errors are those of Rotate before the reset.
func (r *Rotator) Check(ctx context.Context) (Report, error) {
	return r.fly(ctx, order{trigger: TriggerCheck})
}

// Close lets no rotation begin, and ends one under way where it can be taken up again: before the reset, or once the new secret is stored.
// It waits for that (for the answer to a reset up to Config.Quarantine, a minute) and for hooks that overstay, until ctx ends; then it
// interrupts what is left. It returns ctx's error if ctx has ended, though nothing may have been left.
//
// A new secret that has come by then is still stored, or else given to Hooks.OnUnsaved and Config.Spare, once each, and the lease is given
// up: Close may outlast ctx by Config.StoreTimeout for each access to a store, and by Config.HookTimeout. The error of the rotation goes to
// who waits for it; an [*UnsavedError] is returned by Close too.
func (r *Rotator) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.closing)
	}
	f := r.flight
	r.mu.Unlock()
	var err error
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
			f.cancel(ErrClosed)
			<-f.done
		}
		if lost, ok := errors.AsType[*UnsavedError](f.err); ok {
			err = lost
		}
	}
	return errors.Join(err, r.join(ctx))
}

// join waits for every goroutine, a hook's that overstays too, and that of a store which hangs, until ctx ends; it returns ctx's error.
func (r *Rotator) join(ctx context.Context) error {
	joined := make(chan struct{})
	var waiter sync.WaitGroup
	waiter.Go(func() {
		r.work.Wait()
		close(joined)
	})
	select {
	case <-joined:
	case <-ctx.Done():
	}
	if r.spare != nil {
		r.spare.rest(ctx)
	}
	r.journal.rest(ctx)
	return ctx.Err() // whichever of the two was first
}

// fly waits for a flight that serves the order, which it starts if none is under way.
func (r *Rotator) fly(ctx context.Context, want order) (Report, error) {
	for {
		if ctx.Err() != nil {
			return Report{}, fmt.Errorf("rotate: not begun: %w", ctx.Err())
		}
		f, err := r.board(ctx, want)
		if err != nil {
			return Report{}, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			if want.stays && r.hasArmed(f) {
				<-f.done
				break
			}
			return Report{}, fmt.Errorf("rotate: still under way, no longer waited for: %w", ctx.Err())
		}
		if f.serves(want) {
			return f.report, f.err
		}
	}
}

// noteArmed has the flight under way known for one that may be resetting the key.
func (r *Rotator) noteArmed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight.armed = true
}

func (r *Rotator) hasArmed(f *flight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f.armed
}

// serves reports whether a flight that has ended is what was asked for. One that found its turn taken is nothing to who wants any.
func (f *flight) serves(want order) bool {
	return f.trigger == want.trigger && (want.ends != 0 || !errors.Is(f.err, errTurnTaken))
}

// board joins the flight under way or starts one.
func (r *Rotator) board(ctx context.Context, want order) (*flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.flight != nil:
		return r.flight, nil
	case r.closed:
		return nil, ErrClosed
	}
	// The flight keeps the values of the first caller's ctx (its trace, say) but not its end.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f := &flight{order: want, cancel: cancel, done: make(chan struct{})}
	r.flight = f
	r.work.Go(func() {
		defer cancel(nil)
		f.report, f.err = r.perform(own, want)
		r.mu.Lock()
		r.flight = nil
		r.mu.Unlock()
		close(f.done)
	})
	return f, nil
}

// spawn runs fn on a goroutine that Close waits for.
func (r *Rotator) spawn(fn func()) { r.work.Go(fn) }

// perform is a flight.
func (r *Rotator) perform(ctx context.Context, want order) (Report, error) {
	switch want.trigger {
	case triggerFollow:
		return r.follow(ctx)
	case TriggerCheck:
		report, _, err := r.rotateOnce(ctx, want, core.Preview)
		return report, err
	case TriggerRotate, TriggerRecover:
	}
	for {
		report, ended, err := r.finishOthers(ctx, want)
		if err == nil && !ended {
			report, ended, err = r.rotateOnce(ctx, want, core.Rotate)
		}
		if errors.Is(err, ErrUnfinished) {
			continue // it came meanwhile: a person has published a secret, say
		}
		if ended || err != nil {
			return report, err
		}
	}
}

// rotateOnce rotates. It has not ended if it has found something unfinished, and finished that.
func (r *Rotator) rotateOnce(ctx context.Context, want order, goal core.Goal) (report Report, ended bool, err error) {
	if r.cfg.Strategy == Replace {
		replacement := r.newReplacement(want.trigger)
		replacement.ends = want.ends
		report, err = replacement.run(ctx)
		return report, true, err
	}
	rotation := r.newRotation(want.trigger, goal)
	rotation.ends = want.ends
	report, err = rotation.run(ctx)
	return report, rotation.machine.Goal == goal, err
}

// finishOthers finishes what a rotation or a replacement has left unfinished, and reports whether nothing else was asked for.
func (r *Rotator) finishOthers(ctx context.Context, want order) (report Report, ended bool, err error) {
	record, err := r.journal.load(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Report{}, false, err
	}
	recovering := want.trigger == TriggerRecover
	if r.isInDoubt(ctx, record, want) {
		report, doubted, err := r.settleDoubt(ctx, record, want)
		if err != nil {
			return report, true, err
		}
		if record, err = r.journal.load(ctx); err != nil {
			return Report{}, false, err
		}
		if recovering && doubted && record.Replacement == nil {
			return report, true, nil
		}
	}
	if record.Replacement != nil {
		report, err := r.finishReplacement(ctx, want)
		if err != nil || recovering {
			return report, true, err
		}
	}
	if recovering {
		report, err := r.nothingToRecover(ctx, record)
		return report, true, err
	}
	return Report{}, false, nil
}

// settleDoubt finds out which secret works, or has a key that can be found take the place of one that is dead. doubted reports whether the
// current secret was not known to work.
func (r *Rotator) settleDoubt(ctx context.Context, record Record, want order) (report Report, doubted bool, err error) {
	recovery := r.newRotation(TriggerRecover, core.Recover)
	recovery.patient = want.trigger == TriggerRecover
	if record.Replacement.isFindable() && r.isDead(ctx, record) {
		report, err := r.finishReplacement(ctx, want)
		if !errors.Is(err, errUnfound) {
			return report, true, err
		}
		recovery.cause = err
	}
	report, err = recovery.run(ctx)
	return report, recovery.doubted, err
}

// finishReplacement finishes a replacement.
func (r *Rotator) finishReplacement(ctx context.Context, want order) (Report, error) {
	recovering := want.trigger == TriggerRecover
	rest := r.newReplacement(TriggerRecover)
	rest.patient, rest.early = recovering, recovering
	return rest.run(ctx)
}

// isInDoubt reports whether the current secret is to be recovered. Where a new key is stored that is not refused, it is not: that one
// takes its place, whatever has become of the old one. Nor is it where the new one is dead, and the old one is not refused.
func (r *Rotator) isInDoubt(ctx context.Context, record Record, want order) bool {
	if record.Intent == nil && want.trigger != TriggerRecover {
		return false
	}
	p := record.Replacement
	if p.isStored() || p.keepsOld() && r.isRefusing(ctx, record.Credentials()) {
		if !r.isRefusing(ctx, p.credentials()) {
			return false
		}
	}
	return record.Intent != nil || r.isDead(ctx, record)
}

// isDead reports whether the exchange refuses the store's current secret: somebody has reset the key, or a reset was executed very
// late.
func (r *Rotator) isDead(ctx context.Context, record Record) bool {
	if record.Version == 0 || record.ClientID != r.cfg.Keyring.Current().ClientID {
		return false
	}
	return r.isRefusing(ctx, record.Credentials())
}

// isRefusing reports whether the exchange refuses credentials. If it cannot be asked, nothing is known.
func (r *Rotator) isRefusing(ctx context.Context, creds session.Credentials) bool {
	err := r.try(ctx, creds)
	if err != nil && !isRefused(err) {
		r.warn(ctx, "rotation: a stored secret could not be tried", err)
	}
	return isRefused(err)
}

// try authenticates on a connection of its own.
func (r *Rotator) try(ctx context.Context, creds session.Credentials) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	return r.outside.try(ctx, creds)
}

// follow takes over what others have finished, and changes no key.
func (r *Rotator) follow(ctx context.Context) (Report, error) {
	record, err := r.journal.load(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Report{}, err
	}
	if record.isUnfinished() {
		return Report{}, ErrUnfinished
	}
	return r.nothingToRecover(ctx, record)
}

// nothingToRecover takes over what another process may have finished.
func (r *Rotator) nothingToRecover(ctx context.Context, record Record) (Report, error) {
	if record.Version != 0 {
		if err := r.fits(record); err != nil {
			return Report{}, err
		}
		if err := r.adopt(record); err != nil {
			return Report{}, err
		}
	}
	r.cfg.Keyring.open()
	return r.catchUp(ctx, record)
}

func (r *Rotator) isClosing() bool {
	select {
	case <-r.closing:
		return true
	default:
		return false
	}
}

func (r *Rotator) warn(ctx context.Context, msg string, err error) {
	r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, msg, slog.Any("error", err))
}
