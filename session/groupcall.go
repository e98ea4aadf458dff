package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Call makes a call over one of the sessions, as [Session.Call] does.
//
// A read goes over any session that is ready: a method, public or private, whose name begins with get_, list_, simulate or verify,
// and public/ticker and public/status, unless it is of the connection (private/get_cancel_on_disconnect) or [Config].Lanes has it
// in another lane. Whatever else there is goes over the first session, in the order in which it is sent: orders, edits and quotes,
// what moves money or changes a setting, what belongs to a connection, and each method that is not known. While the first session is
// not ready that fails at once ([ErrNotReady], not sent). A cancel (private/cancel_..., all that is in the lane of cancels) does not:
// it then goes over another one, for an order can be cancelled over any connection of its account, and must not rest because the
// connection that placed it is gone.
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
	switch lane := g.cfg.laneOf(method); {
	case lane == rpc.LaneRead && isRead(method):
		first = rand.IntN(n)
	case lane != rpc.LaneCancel:
		return call(g.sessions[0])
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

// isRead reports whether a method is known to change nothing, by its name: the lane of reads is also that of all that is not known.
func isRead(method string) bool {
	switch name := method[strings.LastIndexByte(method, '/')+1:]; {
	case method == "public/ticker", method == "public/status":
		return true
	case strings.HasPrefix(name, "get_"), strings.HasPrefix(name, "list_"):
		return true
	default:
		return strings.HasPrefix(name, "simulate") || strings.HasPrefix(name, "verify")
	}
}

// isUnsent reports whether nothing of a call has left.
func isUnsent(err error) bool {
	unanswered, ok := errors.AsType[*rpc.CallError](err)
	return ok && unanswered.Outcome == rpc.NotSent
}

var _ rpc.Caller = (*Group)(nil)
