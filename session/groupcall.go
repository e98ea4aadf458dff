package session

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Call makes a call over one of the sessions, as [Session.Call] does.
//
// An order, an edit, and whatever else is no read, goes over the first session; while that one is not ready it fails at once
// ([ErrNotReady], not sent). A cancel does too, unless the first session is not ready: it then goes over another one, for an
// order can be cancelled over any connection of its account, and must not rest because the connection that placed it is gone. A
// read, and each public call, goes over any session that is ready.
//
// What was not sent over one session, because its connection has ended, may be sent over another. What may have been is never
// sent again.
func (g *Group) Call(ctx context.Context, method string, params, result any) error {
	return g.route(ctx, method, func(s *Session) error { return s.Call(ctx, method, params, result) })
}

// CallRaw is Call with a result that is not decoded: it appends the JSON of the result to dst and returns the extended
// slice, which the caller owns.
func (g *Group) CallRaw(ctx context.Context, method string, params any, dst []byte) (raw []byte, err error) {
	err = g.route(ctx, method, func(s *Session) error {
		raw, err = s.CallRaw(ctx, method, params, dst)
		return err
	})
	return raw, err
}

// Send writes a call now, over the session that Call would take, and returns a Pending to wait on.
func (g *Group) Send(ctx context.Context, method string, params any) (pending *Pending, err error) {
	err = g.route(ctx, method, func(s *Session) error {
		pending, err = s.Send(ctx, method, params)
		return err
	})
	return pending, err
}

// route makes a call over the session that the method's lane asks for, and goes on to the next one only where nothing was sent.
func (g *Group) route(ctx context.Context, method string, call func(*Session) error) error {
	first, n := 0, len(g.sessions)
	switch g.cfg.laneOf(method) {
	case rpc.LaneControl, rpc.LaneOrder, rpc.LaneSubscribe:
		return call(g.sessions[0])
	case rpc.LaneCancel:
	case rpc.LaneRead:
		first = rand.IntN(n)
	}
	var unsent error
	for i := range n {
		s := g.sessions[(first+i)%n]
		if !s.Ready() {
			continue
		}
		err := call(s)
		if err == nil || s.Ready() || ctx.Err() != nil || !isUnsent(err) {
			return err
		}
		unsent = err
	}
	if unsent != nil {
		return unsent
	}
	return call(g.sessions[first]) // none is ready: it says so
}

// isUnsent reports whether nothing of a call has left.
func isUnsent(err error) bool {
	unanswered, ok := errors.AsType[*rpc.CallError](err)
	return ok && unanswered.Outcome == rpc.NotSent
}

var _ rpc.Caller = (*Group)(nil)
