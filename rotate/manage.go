package rotate

import (
	"bytes"
	"context"
	"errors"

	"github.com/holdfast-ws/holdfast/session"
)

// manage calls a method on keys, and has the second factor answered if the exchange wants it. It returns the result, which the caller
// wipes; nil without error if a second factor is wanted and params say that nobody is asked for one.
func (r *rotation) manage(ctx context.Context, method string, params keyParams) ([]byte, error) {
	for round := 1; ; round++ {
		raw, err := r.callOnce(ctx, method, params)
		if refusal, ok := errors.AsType[*SecondFactorError](err); ok {
			if round > maxRounds || !refusal.worthAnotherRound() {
				return nil, refusal
			}
			params.answer = answer{}
			continue
		}
		if err != nil {
			return nil, err
		}
		demand, err := demandOf(raw)
		if err != nil || demand == nil {
			return raw, err
		}
		if params.unasked {
			return nil, nil
		}
		demand.public.Method, demand.public.Round = method, round
		if params.answer, err = r.ask(ctx, demand); err != nil {
			return nil, err
		}
	}
}

func (r *rotation) callOnce(ctx context.Context, method string, params keyParams) ([]byte, error) {
	ctx, cancel := context.WithTimeout(session.Once(ctx), r.cfg.ResetTimeout)
	defer cancel()
	raw, err := r.authorities[0].CallRaw(ctx, method, params, make([]byte, 0, 4096))
	if err != nil {
		clear(raw)
		return nil, scrub(err)
	}
	return raw, nil
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
