package telemetry

import (
	"context"
	"errors"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// errorName gives an error.type to the errors that match.
type errorName struct {
	id      string
	matches func(error) bool
}

// verdicts are errors that say more than what they wrap, be it the server's refusal. The first that matches counts.
var verdicts = []errorName{
	{"locked_out", isA[*rotate.LockedOutError]},
	{"unsaved", isA[*rotate.UnsavedError]},
	{"unknown_outcome", isA[*rotate.UnknownOutcomeError]},
	{"degraded", isA[*rotate.DegradedError]},
	{"leftover_key", isA[*rotate.LeftoverKeyError]},
	{"key_in_use", isA[*rotate.KeyInUseError]},
	{"lease_held", isA[*rotate.LeaseHeldError]},
	{"lease_lost", is(rotate.ErrLeaseLost)},
	{"second_factor", isA[*rotate.SecondFactorError]},
	{"second_factor", is(rotate.ErrNoSecondFactor)},
	{"hook", isA[*rotate.HookError]},
	{"preflight", isA[*rotate.PreflightError]},
	{"clock_skew", isA[*session.ClockSkewError]},
}

// names are for the errors that do not name themselves.
var names = []errorName{
	{"session_closed", is(session.ErrClosed)},
	{"not_ready", is(session.ErrNotReady)},
	{"rate_limited", is(session.ErrRateLimited)},
	{"silent", is(session.ErrSilent)},
	{"no_credentials", is(session.ErrNoCredentials)},
	{"config", is(session.ErrConfig)},
	{"config", is(rotate.ErrConfig)},
	{"scope", isA[*session.ScopeError]},
	{"refused", isA[*session.SubscribeError]},
	{"rotator_closed", is(rotate.ErrClosed)},
	{"not_executed", is(rotate.ErrNotExecuted)},
	{"unfinished", is(rotate.ErrUnfinished)},
	{"mismatch", is(rotate.ErrMismatch)},
	{"unexpected_reply", is(rotate.ErrReply)},
	{"store_empty", is(rotate.ErrNotFound)},
	{"store_conflict", is(rotate.ErrConflict)},
	{"store_corrupt", is(rotate.ErrCorrupt)},
	{"stale_generation", is(rotate.ErrStaleGeneration)},
	{"timeout", is(context.DeadlineExceeded)},
	{"canceled", is(context.Canceled)},
}

func lookUp(table []errorName, err error) (id string, found bool) {
	for _, name := range table {
		if name.matches(err) {
			return name.id, true
		}
	}
	return "", false
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
