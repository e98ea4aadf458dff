package rotate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// reset is a reset that was sent. Its reply is the rotation's, whoever called Rotate.
type reset struct {
	made   atomic.Pointer[time.Time] // when its frame was last made, which is written next; until then when the call began
	cancel context.CancelFunc
	done   chan struct{} // closed after the fields below were stored
	raw    []byte
	err    error
}

// send sends the reset.
func (r *rotation) send(ctx context.Context) core.EventKind {
	var kind core.EventKind
	r.err = r.step(ctx, StepReset, func(ctx context.Context) (err error) {
		kind, err = r.sendReset(ctx)
		if kind == core.ChallengeCame && r.machine.Rounds >= core.MaxRounds {
			return &SecondFactorError{Reason: reasonUnknown, Err: errAskedAgain}
		}
		return err
	})
	r.answer = answer{}
	r.keepMissed()
	return kind
}

// keepMissed keeps that an authority has not had its code: those that are asked after it may have other reasons.
func (r *rotation) keepMissed() {
	if isMissedCode(r.err) {
		r.missed = r.err
	} else if r.machine.Authority == 0 { // which has been asked once more
		r.missed = nil
	}
}

func (r *rotation) sendReset(ctx context.Context) (core.EventKind, error) {
	authority := r.authorities[r.machine.Authority]
	if r.isIndependent(authority) || r.keyID == 0 {
		if kind, err := r.prepare(ctx, authority); err != nil {
			return kind, fmt.Errorf("rotate: reset: %w", err)
		}
	}
	sent := r.place(ctx, authority)
	timer := time.NewTimer(r.cfg.ResetTimeout)
	defer timer.Stop()
	select {
	case <-sent.done:
		return r.judge(ctx, authority, sent)
	case <-timer.C:
		r.late = sent
		return r.unheard(sent, context.DeadlineExceeded)
	case <-ctx.Done():
		sent.cancel()
		<-sent.done
		return r.judge(ctx, authority, sent)
	}
}

// prepare waits for what the reset needs. The stamp from when it was armed is older by then than what it covers, and so is the lease.
func (r *rotation) prepare(ctx context.Context, authority Authority) (core.EventKind, error) {
	if r.isIndependent(authority) { // others may have to wait for the new secret
		if err := r.waitFor(ctx, authority); err != nil {
			return core.NotSent, err
		}
	}
	if r.keyID == 0 { // a recovery has no preflight
		if err := r.checkKey(ctx); err != nil {
			return missing(err), fmt.Errorf("the key's number: %w", err)
		}
	}
	return core.NotSent, r.stamp(ctx)
}

// missing makes an event of why the number of the key to reset is not known. Nothing was sent.
func missing(err error) core.EventKind {
	if _, unanswered := errors.AsType[*rpc.CallError](err); unanswered {
		return core.NotSent
	}
	return core.Refused
}

// leave notes that the reset leaves no earlier than now: the session's Limits may have held it back, and a rescue token was redeemed.
func (s *reset) leave() { s.made.Store(new(time.Now())) }

// place makes the call on a goroutine of its own, on which the reply can come until the quarantine is over.
func (r *rotation) place(ctx context.Context, authority Authority) *reset {
	sent := &reset{done: make(chan struct{})}
	sent.leave()
	params := keyParams{id: r.keyID, answer: r.answer, leaves: sent.leave}
	ctx, sent.cancel = context.WithTimeout(session.Once(ctx), max(r.cfg.Quarantine, r.cfg.ResetTimeout))
	r.spawn(func() {
		defer sent.cancel()
		sent.raw, sent.err = authority.CallRaw(ctx, methodReset, params, make([]byte, 0, 4096))
		close(sent.done)
	})
	return sent
}

// unheard is a reset that may be executed, and of which nothing is known.
func (r *rotation) unheard(sent *reset, err error) (core.EventKind, error) {
	r.unanswered = *sent.made.Load()
	return core.NoAnswer, r.unknownOutcome(err)
}

// judge makes an event of what became of a reset.
func (r *rotation) judge(ctx context.Context, authority Authority, sent *reset) (core.EventKind, error) {
	if sent.err == nil {
		return r.read(ctx, sent)
	}
	defer clear(sent.raw)
	if unsent, ok := errors.AsType[*rpc.CallError](sent.err); ok && unsent.Outcome == rpc.NotSent {
		return r.judgeUnsent(authority, fmt.Errorf("rotate: reset: %w", sent.err))
	}
	err := scrub(sent.err)
	if factor, ok := errors.AsType[*SecondFactorError](err); ok {
		if r.demand = factor.asDemand(r.answer); r.demand != nil {
			return core.ChallengeCame, nil
		}
		if factor.worthAnotherRound() {
			return core.FactorStale, factor
		}
		return core.FactorRefused, factor
	}
	// Too many requests end the session: what else was on its way is unknown.
	refusal, ok := errors.AsType[*rpc.Error](err)
	if ok && refusal.Code == session.CodeTooManyRequests {
		r.unanswered = *sent.made.Load()
		return core.TooMany, r.unknownOutcome(err)
	}
	if !rpc.SafeToRetry(err) {
		return r.unheard(sent, err)
	}
	err = fmt.Errorf("rotate: reset: %w", err)
	if ok && refusal.Class() == rpc.ClassRetry { // maintenance, say: it may have it later
		return core.NotSent, err
	}
	return core.Refused, err
}

// judgeUnsent tells an authority that was out of reach from one that will not have it. A session of the key itself that has lost
// its connection waits for the secret that it ought to bring about.
func (r *rotation) judgeUnsent(authority Authority, err error) (core.EventKind, error) {
	_, dead := errors.AsType[*session.AuthError](err)
	_, rescue := authority.(*rescuer)
	if !dead && (rescue || r.isIndependent(authority) || !r.machine.Doubt) {
		return core.NotSent, err
	}
	return core.Refused, err
}

// read reads the reply to a reset, and wipes it.
func (r *rotation) read(ctx context.Context, sent *reset) (core.EventKind, error) {
	defer clear(sent.raw)
	key, demand, odd, err := decodeReset(sent.raw)
	if demand != nil {
		r.demand = demand
		return core.ChallengeCame, nil
	}
	if err == nil {
		if err = r.checkReply(key); err != nil {
			err = r.strange(ctx, key, err)
		}
	}
	if err != nil {
		return r.unheard(sent, err)
	}
	if odd != nil {
		r.warn(ctx, "rotation reply", odd)
	}
	r.key = key
	return core.KeyCame, nil
}

// awaitReply waits for the reply to a reset whose connection lives, and reports whether it came and was the new secret. A Close waits with
// it, as long as its ctx lets it: that reply may be all that there is of the secret.
func (r *rotation) awaitReply(ctx context.Context) (came bool) {
	sent := r.late
	if sent == nil {
		return false
	}
	select {
	case <-sent.done:
	case <-ctx.Done():
	}
	sent.cancel()
	<-sent.done
	r.late, r.unanswered = nil, *sent.made.Load()
	if sent.err != nil {
		return false
	}
	err := r.step(ctx, StepReset, func(ctx context.Context) error {
		kind, err := r.read(ctx, sent)
		came = kind == core.KeyCame
		return err
	})
	if came {
		r.err = err
	}
	return came
}

// strange hands on a key that is not the one of this rotation, for it may be the only copy of another's new secret: a wrong
// Config.KeyID has another key reset.
func (r *rotation) strange(ctx context.Context, key APIKey, cause error) error {
	if key.Secret.IsZero() || key.Secret.Equal(r.old.Secret) {
		return cause
	}
	r.offer(ctx, key, cause)
	return &UnsavedError{Key: key, Err: cause}
}

// checkReply accepts nothing but the new secret of this key.
func (r *rotation) checkReply(key APIKey) error {
	switch {
	case key.ID != r.keyID:
		return fmt.Errorf("%w: it is of key %d", ErrReply, key.ID)
	case key.ClientID != r.report.ClientID:
		return fmt.Errorf("%w: it is of client id %q", ErrReply, key.ClientID)
	case key.Secret.IsZero():
		return fmt.Errorf("%w: client_secret is empty", ErrReply)
	case key.Secret.Equal(r.old.Secret):
		return fmt.Errorf("%w: client_secret is the old one", ErrReply)
	}
	return nil
}

func (r *rotation) unknownOutcome(err error) error {
	return &UnknownOutcomeError{KeyID: r.keyID, ClientID: r.report.ClientID, Err: err}
}

// askCode has a person answer the exchange's challenge.
func (r *rotation) askCode(ctx context.Context) core.EventKind {
	demand := r.demand
	r.demand = nil
	demand.public.Method, demand.public.Round = methodReset, r.machine.Rounds
	if r.answer, r.err = r.ask(ctx, demand); r.err != nil {
		r.keepMissed()
		return core.NoCode
	}
	return core.CodeGiven
}
