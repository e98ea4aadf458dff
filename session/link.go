package session

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// link is one connection of a session, from its opening handshake to its end.
type link struct {
	session *Session
	conn    *rpc.Conn
	epoch   uint64
	before  uint64          // the epoch of the connection from which it took over, 0 for none
	ctx     context.Context //nolint:containedctx // the connection's own life, not a call's
	end     context.CancelFunc
	left    chan struct{} // closed once another connection has taken over
	whole   chan struct{} // closed once it feeds the subscriptions alone

	// The step StepConnect, which ends when the connection is what the session promises.
	opening context.Context //nolint:containedctx // of that step
	opened  func(StepEnd)

	clientID   atomic.Pointer[string] // of the credentials that authenticated it last; nil if none did
	generation atomic.Uint64          // of the same
	auths      atomic.Uint64          // how often it has been authenticated
	limited    atomic.Int64           // when the exchange last refused a call for its rate limits; 0 if it has not
	expires    atomic.Int64           // when its token ends, in Unix nanoseconds; 0 if it has none

	authority chan struct{} // held by who authenticates

	// Of who holds authority.
	granted      string // the scope of the last authentication
	refreshToken Secret // of the same, zero once it has been used

	unrefreshed atomic.Bool // it was told that the exchange has refused a refresh token
	settled     uint64      // up to which authentication it has been configured, or that was tried; protected by the authenticator's lock

	beaten      atomic.Bool   // a heartbeat or test_request has come since the last look
	leftOut     bool          // it was told of channels that the exchange does not list; of who holds subscribing
	tests       chan struct{} // a test_request waits for its answer
	shut        chan struct{} // the exchange has said that it is in maintenance
	suspended   atomic.Bool   // from when the supervisor has seen that, until it is over
	subscribing chan struct{} // held by who subscribes on a ready connection, for good once it has been left
	proved      uint64        // up to which authentication it is known or marked what became of the channels; of who holds subscribing, and fixed once it was left
	resumed     []string      // what was subscribed before it was ready; of the supervisor, once it is established
	served      served
	departures  departures
}

// newLink is a connection that is to be opened: its step StepConnect begins.
func (s *Session) newLink() *link {
	s.dialed++
	l := &link{
		session: s, epoch: s.dialed, left: make(chan struct{}), whole: make(chan struct{}),
		tests: make(chan struct{}, 1), shut: make(chan struct{}, 1), subscribing: make(chan struct{}, 1), authority: make(chan struct{}, 1), served: served{books: map[string]struct{}{}},
	}
	l.ctx, l.end = context.WithCancel(s.ctx)
	l.opening, l.opened = s.step(l.ctx, Step{Kind: StepConnect, Epoch: l.epoch})
	return l
}

// dial opens the connection. ctx ends the attempt, not the connection.
func (l *link) dial(ctx context.Context) error {
	s := l.session
	step, ended := s.step(l.opening, Step{Kind: StepDial, Epoch: l.epoch})
	step, cancel := context.WithTimeout(step, s.cfg.DialTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	transport, err := s.cfg.Dialer.Dial(step, rpc.DialConfig{
		URL: s.cfg.URL, Header: s.cfg.Header, TLS: s.cfg.TLS, NetDial: s.cfg.NetDial, ReadLimit: s.cfg.ReadLimit,
	})
	err = advise(err)
	ended(StepEnd{Err: err})
	if err != nil {
		return err
	}
	l.conn = rpc.NewConn(transport, s.rpcConfig(l.opening, l))
	s.track(l)
	return nil
}

// hangUp ends what there is of the connection.
func (l *link) hangUp() {
	l.end()
	if l.conn != nil {
		_ = l.conn.Close() // it has ended, or is to end: there is nothing to tell
		l.session.untrack(l)
	}
}

// giveUp ends the connection for a reason, which its calls are told.
func (l *link) giveUp(why error) {
	_ = l.conn.CloseWithError(why) // what it answers says nothing of calls
}

func (s *Session) rpcConfig(ctx context.Context, l *link) rpc.Config {
	cfg := rpc.Config{
		Handler:      l.handle,
		OnStray:      l.stray,
		Codec:        s.cfg.Codec,
		Lane:         s.cfg.laneOf,
		Classify:     l.classify,
		Sensitive:    sensitive,
		WriteTimeout: s.cfg.WriteTimeout,
		MaxPending:   s.cfg.MaxPending,
		MaxRequest:   maxFrame,
		MaxResult:    maxResult,
	}
	if s.cfg.Observer != nil {
		step := Step{Kind: StepConnect, Session: s.cfg.Name, URL: s.cfg.URL, Epoch: l.epoch}
		cfg.Observer = s.cfg.Observer.Calls(ctx, step)
	}
	return cfg
}

var (
	methodSubscription = []byte("subscription")
	methodHeartbeat    = []byte("heartbeat")
	testRequest        = []byte(`"test_request"`)
)

// handle runs on the reader's goroutine: it must not wait for anything.
func (l *link) handle(n rpc.Notification) {
	switch {
	case bytes.Equal(n.Method, methodSubscription):
		l.session.subs.deliver(l.epoch, &n)
	case bytes.Equal(n.Method, methodHeartbeat):
		l.beaten.Store(true)
		if !bytes.Contains(n.Params, testRequest) {
			return
		}
		select {
		case l.tests <- struct{}{}:
		default: // one answer will do for both
		}
	}
}

// stray logs what an operator should know; the counts are in Stats.
func (l *link) stray(stray rpc.Stray) {
	s := l.session
	switch stray.Kind {
	case rpc.StrayError:
		if isMaintenance(stray.Err) {
			return // the state tells
		}
		s.log(slog.LevelWarn, "the exchange sent an error that belongs to no call", slog.Any("error", stray.Err))
	case rpc.StrayLate:
		s.log(slog.LevelWarn, "a call was answered after its caller had left", slog.String("method", stray.Method))
	case rpc.StrayUnknownID, rpc.StrayDuplicate, rpc.StrayNotification:
	}
}

// call makes a call for the session itself.
func (l *link) call(ctx context.Context, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, l.session.cfg.CallTimeout)
	defer cancel()
	return l.conn.Call(ctx, method, params, result)
}

// setExpiry notes when the token ends; the exchange answers with a life of seconds to years.
func (l *link) setExpiry(lifetime time.Duration, now time.Time) {
	if lifetime <= 0 {
		l.expires.Store(0)
		return
	}
	l.expires.Store(now.Add(lifetime).UnixNano())
}

// goodbye logs out, which the exchange answers by closing the connection, and cancels no orders. It gives up soon: the
// connection will be closed anyway.
func (l *link) goodbye(ctx context.Context, params any) {
	if l.auths.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	said := make(chan struct{})
	l.session.work.Go(func() {
		defer close(said)
		_ = l.conn.Call(ctx, methodLogout, params, nil) // no reply ever comes: the connection's end is the answer
	})
	select {
	case <-said:
	case <-ctx.Done(): // a peer that has stopped reading holds the frame until the connection is closed
	}
}

// answerTest answers a test_request. Without an answer the exchange closes the connection, and cancels orders if it was
// asked to: it must not wait behind anything, so its frame is in the control lane.
func (l *link) answerTest() {
	if err := l.call(l.ctx, methodTest, nil, nil); err != nil && !isMaintenance(err) {
		l.session.log(slog.LevelWarn, "heartbeat answer", slog.Any("error", err))
	}
}

// attend answers test_requests while the supervisor does not, until stop is called.
func (l *link) attend() (stop func()) {
	stopped := make(chan struct{})
	var attending sync.WaitGroup
	attending.Go(func() {
		for {
			select {
			case <-l.tests:
				l.answerTest()
			case <-stopped:
				return
			case <-l.ctx.Done():
				return
			}
		}
	})
	return func() {
		close(stopped)
		attending.Wait()
	}
}
