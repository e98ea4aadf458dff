package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-ws/holdfast/rpc"
)

const handlesAtOnce = 32

// Call makes a call over the present connection; see [rpc.Caller]. If the session is not ready it returns an
// [*rpc.CallError] that matches [ErrNotReady], at once and before a byte left: WaitReady waits.
//
// A call that the exchange refuses for want of authority was not executed. It waits until the session has authenticated
// again, which it starts if need be, and is sent once more, and then once for each newer generation of the credentials if it is refused
// again; ctx bounds that too. Nothing else is ever sent twice.
//
// What changes the connection itself (public/auth, private/logout, public/subscribe, public/set_heartbeat and their like)
// is sent as it is, and the session does not know of it: use its methods instead.
func (s *Session) Call(ctx context.Context, method string, params, result any) error {
	l, sent, err := s.writable(ctx, method)
	if err != nil {
		return err
	}
	for err = l.conn.Call(ctx, method, params, result); l.hasMoved(err); err = l.conn.Call(ctx, method, params, result) {
		if l, sent, err = s.writable(ctx, method); err != nil {
			return err
		}
	}
	if !s.isFenced(method, err) {
		return err
	}
	return s.resend(ctx, fenced{method, l, sent, err}, func(l *link) error {
		return l.conn.Call(ctx, method, params, result)
	})
}

// CallRaw is Call with a result that is not decoded: it appends the JSON of the result to dst and returns the extended
// slice, which the caller owns.
func (s *Session) CallRaw(ctx context.Context, method string, params any, dst []byte) ([]byte, error) {
	l, sent, err := s.writable(ctx, method)
	if err != nil {
		return dst, err
	}
	raw, err := l.conn.CallRaw(ctx, method, params, dst)
	for l.hasMoved(err) {
		if l, sent, err = s.writable(ctx, method); err != nil {
			return dst, err
		}
		raw, err = l.conn.CallRaw(ctx, method, params, dst)
	}
	if !s.isFenced(method, err) {
		return raw, err
	}
	err = s.resend(ctx, fenced{method, l, sent, err}, func(l *link) error {
		raw, err = l.conn.CallRaw(ctx, method, params, dst)
		return err
	})
	return raw, err
}

// Send writes a call now and returns a Pending to wait on: so one goroutine has many calls under way. ctx bounds the sending alone, whose
// errors are those of Call that say that nothing was sent. Every Pending must be waited for, and params must not be changed until then.
func (s *Session) Send(ctx context.Context, method string, params any) (*Pending, error) {
	l, sent, err := s.writable(ctx, method)
	if err != nil {
		return nil, err
	}
	pending, err := l.conn.Send(ctx, method, params)
	for l.hasMoved(err) {
		if l, sent, err = s.writable(ctx, method); err != nil {
			return nil, err
		}
		pending, err = l.conn.Send(ctx, method, params)
	}
	if err != nil {
		return nil, err
	}
	p := s.handles.next()
	*p = Pending{session: s, pending: pending, params: params, call: fenced{method: method, link: l, sent: sent}}
	return p, nil
}

// Pending is a call that was sent and not yet waited for. One goroutine uses it, and waits once: a second wait panics.
type Pending struct {
	session *Session
	pending *rpc.Pending
	params  any
	call    fenced
}

// handles are Pendings, of which many share an allocation. None is used twice: it may be kept by whoever had it.
type handles struct {
	mu   sync.Mutex // protects free
	free []Pending
}

func (h *handles) next() *Pending {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.free) == 0 {
		h.free = make([]Pending, handlesAtOnce)
	}
	p := &h.free[0]
	h.free = h.free[1:]
	return p
}

// Wait waits for the answer and decodes it into result, unless that is nil; its errors are those of Call. A call that
// was refused for want of authority is sent again from here, so its params must not have been changed.
func (p *Pending) Wait(ctx context.Context, result any) error {
	defer p.forget()
	err := p.pending.Wait(ctx, result)
	if !p.session.isFenced(p.call.method, err) {
		return err
	}
	p.call.refusal = err
	return p.session.resend(ctx, p.call, func(l *link) error {
		return l.conn.Call(ctx, p.call.method, p.params, result)
	})
}

// WaitRaw is Wait with a result that is not decoded: it appends the JSON of the result to dst and returns the extended
// slice, which the caller owns.
func (p *Pending) WaitRaw(ctx context.Context, dst []byte) ([]byte, error) {
	defer p.forget()
	raw, err := p.pending.WaitRaw(ctx, dst)
	if !p.session.isFenced(p.call.method, err) {
		return raw, err
	}
	p.call.refusal = err
	err = p.session.resend(ctx, p.call, func(l *link) error {
		raw, err = l.conn.CallRaw(ctx, p.call.method, p.params, dst)
		return err
	})
	return raw, err
}

// forget lets go of what a Pending that is kept would keep alive.
func (p *Pending) forget() { p.params, p.call = nil, fenced{} }

// mark is the authority of a connection at some moment.
type mark struct{ auths, generation uint64 }

func (l *link) mark() mark { return mark{l.auths.Load(), l.generation.Load()} }

// writable is the connection to write a call to, for which there are credits now, and the authority that it has.
func (s *Session) writable(ctx context.Context, method string) (*link, mark, error) {
	l := s.live.Load()
	if l == nil {
		return nil, mark{}, &rpc.CallError{Method: method, Outcome: rpc.NotSent, Err: s.unready()}
	}
	if s.cfg.Limits != nil {
		var err error
		if l, err = s.pace(ctx, l, method); err != nil {
			return nil, mark{}, err
		}
	}
	return l, l.mark(), nil
}

func (s *Session) unready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == Closed {
		return s.err
	}
	return fmt.Errorf("%w: %s", ErrNotReady, s.state)
}

// fenced is a call that the exchange refused for want of authority: it was not executed.
type fenced struct {
	method  string
	link    *link
	sent    mark // the authority with which it was sent
	refusal error
}

// isFenced reports whether a call met the fence that a re-authentication is. A public method can meet it too: a raw
// channel needs authority.
func (s *Session) isFenced(method string, err error) bool {
	return err != nil && s.cfg.Credentials != nil && method != methodAuth && lacksAuthority(err)
}

// resend sends a refused call again, once: and once more only for each newer generation of credentials, so that a
// rotation that begins while another one's calls are being sent again fails none of them.
func (s *Session) resend(ctx context.Context, call fenced, again func(*link) error) error {
	if ctx.Value(onceKey{}) != nil {
		return call.refusal
	}
	for first := true; ; first = false {
		l, err := s.readmit(ctx, call)
		if err != nil {
			return s.parked(ctx, call, err)
		}
		now := l.mark()
		if !first && now.generation <= call.sent.generation {
			return call.refusal
		}
		if s.cfg.Limits != nil {
			s.cfg.Limits.charge(call.method)
		}
		s.resent.Add(1)
		if s.cfg.Observer != nil {
			s.cfg.Observer.Resent(s, call.method)
		}
		for err = again(l); l.hasMoved(err); err = again(l) {
			if l, err = s.waitLink(ctx); err != nil {
				return s.parked(ctx, call, err)
			}
			now = l.mark()
		}
		if !s.isFenced(call.method, err) {
			return err
		}
		call = fenced{call.method, l, now, err}
	}
}

type onceKey struct{}

// Once returns a ctx whose calls are sent once: one that the exchange refuses for want of authority fails with that refusal, where
// it would otherwise be sent again after an authentication. Who resets a key needs that: the authentication would wait for the
// new secret.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// parked is the outcome of a refused call that was not sent again.
func (s *Session) parked(ctx context.Context, call fenced, err error) error {
	if ctx.Err() != nil {
		return &rpc.CallError{Method: call.method, Outcome: rpc.NotSent, Err: ctx.Err()}
	}
	if _, unanswered := errors.AsType[*rpc.CallError](err); unanswered {
		// A call has one outcome: that of the authentication must not pass for this call's.
		return fmt.Errorf("%w: not sent again: %s", call.refusal, err.Error())
	}
	return errors.Join(call.refusal, err)
}

// readmit waits until the session has authenticated since the call was sent, on the same connection or on a new one.
func (s *Session) readmit(ctx context.Context, call fenced) (*link, error) {
	for {
		l, err := s.waitLink(ctx)
		switch {
		case err != nil:
			return nil, err
		case l != call.link || l.auths.Load() > call.sent.auths:
			return l, nil
		}
		if err := s.auth.renewRefused(ctx, l, call.sent); err != nil && l == s.present() && l.auths.Load() == call.sent.auths {
			return nil, err
		}
	}
}

// Reauthenticate authenticates the present connection anew with the credentials that the source has now. Calls in
// flight, subscriptions and the connection itself are left alone; what the exchange does to private channels is not documented,
// and VerifySubscriptions asks. Callers that come while an authentication is still
// waiting for its credentials share it. On a session that is reconnecting it waits until that has authenticated.
//
// ctx bounds the wait, not the authentication. Errors are an [*AuthError], a [*ScopeError], a [*ClockSkewError], the [*rpc.Error] of
// another refusal (of [CodeMaintenance] or [CodeTooManyRequests], say), an [*rpc.CallError], the CredentialSource's own error,
// [ErrNoCredentials], ctx's error, why the session is closed ([ErrClosed] after Close), or one that says what of the exchange's answer is not
// in order: that it has no access token, or that the heartbeat or cancel on disconnect is not set. The session goes on in any case: where it
// has authenticated, and only the heartbeat or cancel on disconnect cannot be set, it tries that again.
func (s *Session) Reauthenticate(ctx context.Context) error {
	if s.cfg.Credentials == nil {
		return ErrNoCredentials
	}
	before := s.present()
	for {
		l, err := s.waitLink(ctx)
		if err != nil {
			return err
		}
		if before != nil && l != before && l.before == 0 {
			return nil // a new connection has authenticated meanwhile
		}
		before = l
		err = s.auth.renew(ctx, l)
		switch now := s.present(); {
		case now == l:
			return err
		case err == nil && (now == nil || now.generation.Load() >= l.generation.Load()):
			return nil // one that has taken over may have authenticated before
		}
	}
}
