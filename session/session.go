package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Session is one authenticated session that outlives its connections. It is safe for concurrent use.
type Session struct {
	cfg  Config
	subs *registry
	auth *authenticator
	// pools pace what the session subscribes, for the exchange ends a session that asks too fast, and its calls too if there
	// is a Config.Limits.
	pools  *pools
	mender mender

	// ctx is the supervisor's: it ends when the session closes, and everything that the session does for itself ends
	// with it. It belongs to no call.
	ctx    context.Context //nolint:containedctx // the session's own life, not a call's
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // every goroutine of the session but the supervisor; see spawn
	done   chan struct{}  // closed when all has ended

	live     atomic.Pointer[link]   // the connection while Ready, else nil
	clientID atomic.Pointer[string] // of the last connection that authenticated; nil if none did
	renew    chan replacement       // requests for a planned reconnect, to the supervisor
	dialed   uint64                 // the newest epoch; the supervisor's
	pauses   atomic.Uint64          // between two attempts to connect, counted as they begin
	closing  chan struct{}          // closed when Close wants the supervisor to log out and end
	once     sync.Once              // closes closing
	resent   atomic.Uint64
	paced    atomic.Uint64
	// authorityLost counts the authentications that a refusal for want of authority made necessary.
	authorityLost atomic.Uint64
	handles       handles

	mu sync.Mutex // protects the fields below
	// state changes through setState alone.
	state   State
	changed chan struct{} // closed and replaced at each change of state
	epoch   uint64        // of the newest connection
	err     error         // why the session is not ready, or is closed
	open    []*link       // connections, two of them while one follows another
	past    rpc.Stats     // of those that have ended
}

// Dial opens a session and returns when it is ready. ctx bounds Dial alone: ending it later does nothing. Dial makes one
// attempt, so that what is wrong with a URL, a network or a key is told at once; from then on the session reconnects
// by itself until Close, or until the exchange refuses its credentials for good.
//
// Errors match [ErrConfig], or lead (errors.As) to an [*rpc.HandshakeError], an [*AuthError], a [*ScopeError], a
// [*ClockSkewError], the [*rpc.Error] of another refusal (of [CodeMaintenance] or [CodeTooManyRequests], say), an [*rpc.CallError], the
// CredentialSource's own error, or ctx's. Where the exchange's answer is not in order (it has no access token, or does not say that the
// heartbeat or cancel on disconnect is set) the error says so, and has no type: there is nothing to do about it but to ask again.
func Dial(ctx context.Context, cfg Config) (*Session, error) {
	return dial(ctx, cfg, newPools())
}

// dial is Dial with the pools that hold without a Config.Limits.
func dial(ctx context.Context, cfg Config, shared *pools) (*Session, error) {
	s, err := newSession(ctx, cfg, shared)
	if err != nil {
		return nil, err
	}
	first := make(chan error, 1)
	s.observeOpened()
	go s.labelled(s.ctx, func(context.Context) { s.supervise(first) }) // joined through done
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.end(err)
		<-s.done
		return nil, err
	}
	return s, nil
}

func newSession(ctx context.Context, cfg Config, shared *pools) (*Session, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Session{
		cfg:     cfg,
		done:    make(chan struct{}),
		renew:   make(chan replacement),
		closing: make(chan struct{}),
		changed: make(chan struct{}),
		mender:  mender{wake: make(chan struct{}, 1)},
	}
	if s.pools = shared; cfg.Limits != nil {
		s.pools = cfg.Limits.get()
	}
	s.subs = newRegistry(s.mend)
	// The session keeps the values of Dial's ctx (its trace, say) but not its end.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.auth = newAuthenticator(s)
	return s, nil
}

// Name is Config.Name, or the name that Dial gave.
func (s *Session) Name() string { return s.cfg.Name }

// URL is the endpoint that the session connects to.
func (s *Session) URL() string { return s.cfg.URL }

// State is what the session is doing now.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Ready reports whether the session is connected, authenticated and subscribed to all that it should be, and the exchange takes calls.
// Whether each book's chain holds at the moment is no part of it: see [State].
func (s *Session) Ready() bool { return s.ready() != nil }

// ready is the connection of a session that is Ready, nil if it is not.
func (s *Session) ready() *link {
	if l := s.present(); l != nil && !l.suspended.Load() {
		return l
	}
	return nil
}

// present is the connection that calls go over, nil if there is none. One that has just ended does not count,
// even if the supervisor has yet to notice.
func (s *Session) present() *link {
	if l := s.live.Load(); l != nil && l.conn.Err() == nil {
		return l
	}
	return nil
}

// WaitReady waits until the session is ready, as [Session.Ready] says. It returns ctx's error, or why the session is closed.
func (s *Session) WaitReady(ctx context.Context) error {
	_, err := s.wait(ctx, s.ready)
	return err
}

// waitLink waits for a connection that calls go over.
func (s *Session) waitLink(ctx context.Context) (*link, error) { return s.wait(ctx, s.present) }

func (s *Session) wait(ctx context.Context, wanted func() *link) (*link, error) {
	for {
		s.mu.Lock()
		changed, state, err := s.changed, s.state, s.err
		s.mu.Unlock()
		if l := wanted(); l != nil {
			return l, nil
		}
		if state == Closed {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Done is closed when the session has ended and nothing of it is left.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err is nil while the session lives, and then why it ended: [ErrClosed] after Close, an [*AuthError] if the exchange
// refused its credentials for good.
func (s *Session) Err() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// ClientID is that of the key with which the present connection last authenticated, and while there is none, of the last one that did. It
// is empty only as long as none has, by a key's credentials.
func (s *Session) ClientID() string {
	id := s.clientID.Load()
	if l := s.live.Load(); l != nil {
		id = l.clientID.Load()
	}
	if id == nil {
		return ""
	}
	return *id
}

// Generation is that of the credentials with which the present connection last authenticated, 0 if there is none.
func (s *Session) Generation() uint64 {
	if l := s.live.Load(); l != nil {
		return l.generation.Load()
	}
	return 0
}

// Reconnect replaces the connection while it works: another one is opened, authenticated and subscribed, takes over, and this one is
// logged out. No notification is lost or comes twice, no call that is answered in time fails, and no order is cancelled; the session is
// ready throughout. It returns when the next connection has taken over, and joins a reconnect that is under way. ctx bounds the wait
// alone.
//
// If the next connection cannot be had, the session goes on over the one that it has, and Reconnect returns why. If the one that it has
// is lost on the way, or answers no more, subscriptions find a [*GapError] as after any loss. Where the session is not ready, or is not any
// more, Reconnect waits until it is; it ends the wait before the next attempt, but for what the exchange asks for: 5 s where it refuses
// for the number of connections or requests or for maintenance, a minute where a signature was refused for the clock. Other errors are
// ctx's, and why the session is closed: [ErrClosed] after Close.
//
// Calls that are under way over the connection that is replaced are waited for, for [Config.CallTimeout] after the next one has taken
// over. One that has no answer by then ends as that of a lost connection does: an [*rpc.CallError] with [rpc.Unknown].
//
// The exchange cancels the orders of a connection that is lost, if it was asked to, and knows each order by the connection that placed it:
// orders from before stay when the next connection is lost.
func (s *Session) Reconnect(ctx context.Context) error {
	r := replacement{of: s.live.Load(), pause: s.pauses.Load(), done: make(chan error, 1)}
	select {
	case s.renew <- r:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.WaitReady(ctx)
}

// Close logs out, so that the exchange cancels no orders, closes the connection, ends every subscription with
// [ErrClosed], and returns when nothing of the session is left. ctx bounds the goodbye: when it ends, the connection is
// closed at once and Close returns ctx's error. An exchange that does not take the logout, in maintenance say, sees a lost connection:
// with Config.CancelOnDisconnect it may cancel. Further Closes wait for the first.
//
// A call that is under way ends with an [*rpc.CallError], for the exchange has closed the connection, as it does after a logout, or for
// the session has: that matches [rpc.ErrClosed]. The [*rpc.CallError] of a later one matches [ErrClosed].
func (s *Session) Close(ctx context.Context) error {
	s.once.Do(func() { close(s.closing) })
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-s.done: // before or as ctx ended
		return nil
	default:
		s.end(ErrClosed)
		<-s.done
		return ctx.Err()
	}
}

// end makes the supervisor stop for good.
func (s *Session) end(err error) { s.cancel(err) }

// setState moves to another state and says so. Only the supervisor, and establish on its behalf, call it.
func (s *Session) setState(to State, why error) {
	s.mu.Lock()
	from := s.state
	s.state, s.err = to, why
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	switch {
	case why == nil:
		s.log(slog.LevelDebug, "session "+to.String())
	case errors.Is(why, ErrClosed):
		s.log(slog.LevelInfo, "session "+to.String())
	case to == Closed: // for good, and nobody asked for it
		s.log(slog.LevelError, "session "+to.String(), slog.Any("reason", why))
	default:
		s.log(slog.LevelWarn, "session "+to.String(), slog.Any("reason", why))
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.StateChanged(s, from, to, why)
	}
}

func (s *Session) log(level slog.Level, msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("session", s.cfg.Name))
	s.cfg.Logger.LogAttrs(s.ctx, level, msg, attrs...)
}

func (s *Session) observeOpened() {
	if s.cfg.Observer != nil {
		s.cfg.Observer.Opened(s)
	}
}

func (s *Session) observeGap(gap *GapError) {
	if gap != nil && s.cfg.Observer != nil {
		s.cfg.Observer.Gap(s, gap)
	}
}

// step tells the observer of a step; the function that it returns is called at the step's end.
func (s *Session) step(ctx context.Context, step Step) (context.Context, func(StepEnd)) {
	if s.cfg.Observer == nil {
		return ctx, func(StepEnd) {}
	}
	step.Session, step.URL = s.cfg.Name, s.cfg.URL
	return s.cfg.Observer.StepStart(ctx, step)
}

var _ rpc.Caller = (*Session)(nil)
