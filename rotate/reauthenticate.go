package rotate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/session"
)

// gather asks for the sessions, and keeps what is known of them. What their channels had before the reset is taken once more then; a
// recovery, whose reset was another's, has it from here.
func (r *rotation) gather() {
	before := make(map[string][]session.ChannelStats, len(r.fleet))
	for _, m := range r.fleet {
		before[m.Name()] = m.before
	}
	r.fleet = nil
	for _, s := range r.cfg.Sessions() {
		had, known := before[s.Name()]
		if !known {
			had = s.Channels()
		}
		r.fleet = append(r.fleet, member{Session: s, before: had})
	}
}

// reauthenticate has the sessions take the new secret: one alone until one has succeeded, then as many at once as a wave has.
func (r *rotation) reauthenticate(ctx context.Context) core.EventKind {
	r.gather() // once more: one may have come with the old secret since
	width := 1
	var failed []string
	var errs []error
	for wave, rest := 0, r.fleet; len(rest) > 0; wave++ {
		n := min(width, len(rest))
		for i, err := range r.runWave(ctx, wave, rest[:n]) {
			if err == nil {
				width = r.cfg.WaveSize
				continue
			}
			failed = append(failed, rest[i].Name())
			errs = append(errs, err)
		}
		rest = rest[n:]
	}
	if len(failed) > 0 {
		r.left = &DegradedError{Sessions: failed, Err: errors.Join(errs...)}
		r.err = r.left
		return core.SomeLeft
	}
	r.left, r.err = nil, nil
	return core.AllThrough
}

// runWave returns the error of each session.
func (r *rotation) runWave(ctx context.Context, wave int, sessions []member) []error {
	errs := make([]error, len(sessions))
	reports := make([]SessionReport, len(sessions))
	var group errgroup.Group
	for i, s := range sessions {
		r.stagger(ctx, s)
		group.Go(func() error {
			reports[i], errs[i] = r.reauthenticateOne(ctx, wave, s)
			return errs[i]
		})
	}
	if err := group.Wait(); err != nil {
		r.warn(ctx, "rotation: re-authenticating", err)
	}
	r.report.Sessions = append(r.report.Sessions, reports...)
	return errs
}

// stagger waits for a session's turn. One that has the new secret already does not need it, and who closes does not wait.
func (r *rotation) stagger(ctx context.Context, s Session) {
	if s.Generation() >= r.secret.Generation {
		return
	}
	if wait := time.Until(r.turn); wait > 0 && pause(ctx, r.closing, wait) != nil {
		return
	}
	r.turn = time.Now().Add(r.cfg.Stagger)
}

func (r *rotation) reauthenticateOne(ctx context.Context, wave int, s member) (SessionReport, error) {
	if hook := r.cfg.Hooks.BeforeReauthenticate; hook != nil {
		r.notify(ctx, "BeforeReauthenticate", func(ctx context.Context) { hook(ctx, s.Name()) })
	}
	report := SessionReport{Name: s.Name(), Wave: wave, Started: time.Now()}
	step, ended := r.observe(ctx, Step{Kind: StepReauthenticate, Session: s.Name()})
	err := r.bring(step, s)
	if err == nil {
		report.Channels, err = r.compare(step, s)
	}
	ended(err)
	report.Duration, report.Generation = time.Since(report.Started), s.Generation()
	report.Err = text(err)
	if hook := r.cfg.Hooks.AfterReauthenticate; hook != nil {
		r.notify(ctx, "AfterReauthenticate", func(ctx context.Context) { hook(ctx, report) })
	}
	return report, err
}

// bring brings a session to the new generation. One that has lost its connection gets there by itself, when it has a new one.
func (r *rotation) bring(ctx context.Context, s Session) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	waits := retry.Backoff(50*time.Millisecond, 2*time.Second)
	for {
		err := r.bringOnce(ctx, s)
		if err == nil {
			return nil
		}
		if stopped := pause(ctx, r.closing, waits.NextBackOff()); stopped != nil {
			return fmt.Errorf("rotate: re-authenticate %s: %w", s.Name(), err)
		}
	}
}

// errOldGeneration is a session that says it has authenticated, but not with the new secret.
var errOldGeneration = errors.New("still at an old generation: does it use the rotator's Keyring?")

func (r *rotation) bringOnce(ctx context.Context, s Session) error {
	if err := s.WaitReady(ctx); err != nil {
		return err
	}
	if s.Generation() >= r.secret.Generation {
		return nil
	}
	if err := r.takeAnew(ctx, s); err != nil {
		return err
	}
	if s.Generation() < r.secret.Generation {
		return errOldGeneration
	}
	return nil
}

// compare proves what became of the session's channels.
func (r *rotation) compare(ctx context.Context, s member) ([]ChannelReport, error) {
	if err := r.pace(ctx, len(s.Channels())); err != nil {
		return nil, fmt.Errorf("rotate: verify subscriptions of %s: %w", s.Name(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SessionTimeout)
	defer cancel()
	found, err := s.VerifySubscriptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("rotate: verify subscriptions of %s: %w", s.Name(), err)
	}
	status := make(map[string]session.ChannelStatus, len(found))
	for _, f := range found {
		status[f.Channel] = f
	}
	after := make(map[string]session.ChannelStats)
	for _, c := range s.Channels() {
		after[c.Channel] = c
	}
	reports := make([]ChannelReport, 0, len(s.before))
	for _, b := range s.before {
		reports = append(reports, compareChannel(b, after[b.Channel], status[b.Channel]))
	}
	return reports, nil
}

// Asking for channels again costs 3,000 credits for each frame, which has up to 500 of them. An account has 30,000, and 10,000 come
// back in a second, for all its sessions together: this leaves half of them to others.
const (
	verifyBurst    = 5
	verifyInterval = 310 * time.Millisecond
	verifyChannels = 500
)

// pace waits until the account can spend what it costs to ask for so many channels.
func (r *rotation) pace(ctx context.Context, channels int) error {
	frames := (channels + verifyChannels - 1) / verifyChannels
	r.mu.Lock()
	now := time.Now()
	if r.spent.Before(now) {
		r.spent = now
	}
	r.spent = r.spent.Add(time.Duration(frames) * verifyInterval)
	wait := r.spent.Sub(now) - verifyBurst*verifyInterval
	r.mu.Unlock()
	if frames == 0 || wait <= 0 {
		return nil
	}
	return pause(ctx, r.closing, wait)
}

func compareChannel(before, after session.ChannelStats, status session.ChannelStatus) ChannelReport {
	report := ChannelReport{
		Channel: before.Channel, Before: before, After: after, Confirmed: status.Confirmed, Note: status.Note,
	}
	if after.Channel == "" {
		report.Note = "no longer subscribed to"
		return report
	}
	if after.Breaks > before.Breaks {
		report.Breaks = after.Breaks - before.Breaks
	}
	if after.Gaps > before.Gaps {
		report.Gaps = after.Gaps - before.Gaps
	}
	return report
}
