package rotate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// manage calls a method on keys, and has the second factor answered if the exchange wants it. It returns the result, which the caller
// wipes; nil without error if a second factor is wanted and params say that nobody is asked for one. before has the last look before each
// time that the call is sent, nil for none: its error keeps it from being sent.
func (r *rotation) manage(ctx context.Context, method string, params keyParams, before func(context.Context) error) ([]byte, error) {
	asked := 0
	for round := 1; ; round++ {
		raw, demand, err := r.callOnce(ctx, method, params, before)
		if refusal, ok := errors.AsType[*SecondFactorError](err); ok {
			if round > maxRounds || !refusal.worthAnotherRound() {
				return nil, refusal
			}
			params.answer = answer{}
			continue
		}
		if err != nil || demand == nil {
			return raw, err
		}
		if params.unasked {
			return nil, nil
		}
		if asked == maxRounds {
			return nil, &SecondFactorError{Reason: reasonUnknown, Err: errAskedAgain}
		}
		asked++
		demand.public.Method, demand.public.Round = method, asked
		if params.answer, err = r.askHolding(ctx, demand); err != nil {
			return nil, err
		}
	}
}

// errAskedAgain is an exchange that wants yet another code.
var errAskedAgain = fmt.Errorf("%w: each of %d codes was answered by another challenge", ErrReply, maxRounds)

// askHolding has a person asked, who may take longer than a lease lasts, and keeps it meanwhile. Once it is lost the answer is of no use.
func (r *rotation) askHolding(ctx context.Context, demand *challenge) (answer, error) {
	ctx, end := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() {
		for pause(ctx, nil, r.cfg.LeaseTTL/3) == nil {
			err := r.keepLease(ctx)
			if errors.Is(err, ErrLeaseLost) {
				end(err)
			} else if err != nil && ctx.Err() == nil {
				r.warn(ctx, "rotation: the lease could not be renewed", err)
			}
		}
	})
	given, err := r.ask(ctx, demand)
	end(nil)
	keeper.Wait()
	return given, err
}

// keepLease gives the lease its full time again.
func (r *rotation) keepLease(ctx context.Context) error {
	_, err := r.journal.update(ctx, func(record *Record) error { return record.renew(r.holder, time.Now()) })
	return err
}

// callOnce returns the result or the exchange's demand for a second factor, in either of its forms. before is manage's.
func (r *rotation) callOnce(
	ctx context.Context, method string, params keyParams, before func(context.Context) error,
) ([]byte, *challenge, error) {
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, nil, notSent(method, err)
		}
	}
	ctx, cancel := context.WithTimeout(session.Once(ctx), r.cfg.ResetTimeout)
	defer cancel()
	raw, err := r.authorities[r.machine.Authority].CallRaw(ctx, method, params, make([]byte, 0, 4096))
	if err == nil {
		demand, err := demandOf(raw)
		return raw, demand, err
	}
	clear(raw)
	err = scrub(err)
	if refusal, ok := errors.AsType[*SecondFactorError](err); ok {
		if demand := refusal.asDemand(params.answer); demand != nil {
			return nil, demand, nil
		}
	}
	return nil, nil, err
}

// demandOf is the challenge that a reply is, nil if it is none.
func demandOf(raw []byte) (*challenge, error) {
	if first := bytes.TrimLeft(raw, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return nil, nil
	}
	m, err := decodeMembers(raw)
	if err != nil {
		return nil, err
	}
	if m.isChallenge() {
		return m.challenge()
	}
	m.wipe()
	return nil, nil
}
