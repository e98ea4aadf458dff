package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// authenticator authenticates the connections of a session. On a live connection one authentication is under way at a
// time, and it is shared by all who need it.
type authenticator struct {
	session *Session
	renewed chan struct{} // tells the supervisor that a token has a new life
	relied  chan struct{} // tells it that a channel relies on the authority of its connection
	budget  *bucket       // for authentications that refused calls ask for without a newer generation

	mu        sync.Mutex // protects the fields below, and the flight's why and asked
	flight    *flight
	granted   chan struct{} // closed, and replaced, when another flight than this one has authenticated
	refusal   error         // of the credentials that were tried last, nil if the exchange took them
	refusedAt time.Time
}

// need is why a live connection is authenticated; the greater asks for more.
type need uint8

const (
	refused  need = iota // a call was refused: without newer credentials, the budget must not be spent
	expiring             // the token is about to end: its refresh will do where the key does not
	wanted               // somebody who decides wants it
)

// flight is an authentication of a live connection.
type flight struct {
	// trace has the values of who asked first, and no end of its own.
	trace context.Context //nolint:containedctx // see above
	link  *link
	sent  mark          // the authority that the connection had
	first need          // why it was started
	why   need          // the greatest need of those who joined in time
	asked bool          // it has its credentials, or does without: who comes later may need newer ones
	bound chan struct{} // closed once it has nothing but the key, whatever time that takes
	away  error         // why the key cannot be had: this one has the refresh token alone; nil for others
	auths uint64        // the connection's authentications by it, 0 while it has not authenticated
	done  chan struct{} // closed after err was stored
	err   error
}

func newFlight(ctx context.Context, l *link, why need) *flight {
	return &flight{
		trace: context.WithoutCancel(ctx), link: l, sent: l.mark(), first: why, why: why,
		bound: make(chan struct{}), done: make(chan struct{}),
	}
}

// errGranted is why somebody does not wait for a flight any more.
var errGranted = errors.New("session: authenticated meanwhile")

// wait returns when the flight has landed. It does not wait for the key once hurry is closed, nor for anything once granted is.
func (f *flight) wait(ctx context.Context, hurry, granted <-chan struct{}) error {
	var bound <-chan struct{}
	for {
		select {
		case <-f.done:
			return nil
		case <-hurry:
			hurry, bound = nil, f.bound
		case <-bound:
			return errKeyAway
		case <-granted:
			return errGranted
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newAuthenticator(s *Session) *authenticator {
	return &authenticator{
		session: s,
		renewed: make(chan struct{}, 1),
		relied:  make(chan struct{}, 1),
		granted: make(chan struct{}),
		budget:  newBucket(renewBurst, renewInterval),
	}
}

// A call that is refused although the connection has authority (a token of its own, say) must not have the session hammer
// the exchange with authentications.
const (
	renewBurst    = 5
	renewInterval = 10 * time.Second
)

// errRenewLimit refuses an authentication beyond the budget.
var errRenewLimit = errors.New("session: not authenticating again so soon")

// login authenticates a fresh connection.
func (a *authenticator) login(ctx context.Context, l *link) error {
	s := a.session
	if s.cfg.Credentials == nil {
		return nil
	}
	ctx, ended := s.step(ctx, Step{Kind: StepAuthenticate, Epoch: l.epoch})
	err := a.authenticate(ctx, l, s.cfg.Credentials, func(Credentials) error { return nil })
	ended(StepEnd{Err: err, Generation: l.generation.Load()})
	l.proved = l.auths.Load() // there is no channel yet
	return err
}

// renew authenticates a live connection with credentials that are asked for from now on.
func (a *authenticator) renew(ctx context.Context, l *link) error {
	return a.await(ctx, l, wanted, l.mark(), nil)
}

// renewRefused authenticates a live connection for a call that it refused when its authority was sent: any authentication
// since then will do.
func (a *authenticator) renewRefused(ctx context.Context, l *link, sent mark) error {
	return a.await(ctx, l, refused, sent, nil)
}

// await waits for flights until one is of l and good enough, but for the key only as long as hurry is open.
func (a *authenticator) await(ctx context.Context, l *link, why need, sent mark, hurry <-chan struct{}) error {
	for {
		f, fresh, granted := a.board(ctx, l, why, sent)
		if f == nil {
			return nil
		}
		if err := f.wait(ctx, hurry, granted); errors.Is(err, errGranted) {
			continue // it may be enough, whatever the flight still waits for
		} else if err != nil {
			return err
		}
		if f.link == l && (fresh || why != wanted) {
			return f.err
		}
	}
}

// board joins the flight under way or starts one, unless the connection was authenticated since it had that authority, which will do for
// all but who wants more. fresh reports that the flight has not asked for its credentials yet; granted is closed when it may not be needed.
func (a *authenticator) board(ctx context.Context, l *link, why need, sent mark) (f *flight, fresh bool, granted <-chan struct{}) {
	a.mu.Lock()
	if why != wanted {
		granted = a.granted
		isEnough := l.settled > sent.auths || a.flight == nil && l.auths.Load() > sent.auths
		if isEnough {
			a.mu.Unlock()
			return nil, false, nil
		}
	}
	if f := a.flight; f != nil {
		fresh := !f.asked
		if fresh {
			f.why = max(f.why, why)
		}
		a.mu.Unlock()
		return f, fresh, granted
	}
	f = newFlight(ctx, l, why)
	if why != expiring {
		close(f.bound)
	}
	a.flight = f
	a.mu.Unlock()
	a.launch(f)
	return f, true, granted
}

func (a *authenticator) launch(f *flight) {
	if !a.session.spawn(f.trace, func(ctx context.Context) { a.fly(ctx, f) }) {
		a.land(f, ErrClosed)
	}
}

func (a *authenticator) fly(ctx context.Context, f *flight) {
	s, l := a.session, f.link
	ctx, over := within(ctx, l.ctx)
	defer over()
	ctx, ended := s.step(ctx, Step{Kind: StepReauthenticate, Epoch: l.epoch})
	err := a.travel(ctx, f)
	isAuthenticated, auths, newer := err == nil, l.auths.Load(), l.generation.Load() != f.sent.generation
	if isAuthenticated && f.first == refused && !newer {
		s.noteRegained()
	}
	if isAuthenticated {
		f.auths = auths
		a.tellRenewed()
		err = s.configure(ctx, l)
	}
	ended(StepEnd{Err: err, Generation: l.generation.Load()})
	if err != nil {
		s.log(slog.LevelWarn, "re-authentication", slog.Any("error", err))
	}
	a.land(f, err)
	if !isAuthenticated {
		return
	}
	var configuring sync.WaitGroup
	if err != nil {
		configuring.Go(func() { s.configureAgain(ctx, l, auths) })
	}
	if f.first != wanted && !newer { // a rotation sees to the channels itself, as does who asks for this
		s.reclaim(ctx, l, f.first)
	}
	configuring.Wait()
}

// noteRegained counts and tells that a connection had lost its authority, and has it again by the same key: the exchange tells
// nobody that it has ended a token, nor why.
func (s *Session) noteRegained() {
	s.authorityLost.Add(1)
	likely := "its tokens were revoked: look whether somebody resets, changes or disables the key, and whether calls bring tokens of their own"
	if hasNamedSession(s.cfg.Scope) {
		likely = fmt.Sprintf("the key has more than %d named sessions, and the exchange ends one for each further one: "+
			"count those of all programs, and use fewer, another key or the scope connection", maxNamedSessions)
	}
	s.log(slog.LevelWarn, "the exchange had ended this connection's authority: authenticated again", slog.String("likely", likely))
}

// depart is called when a flight has its credentials.
func (a *authenticator) depart(f *flight, c Credentials) error {
	a.mu.Lock()
	f.asked = true
	why, refusal := f.why, a.refusal
	a.mu.Unlock()
	if why != refused || c.Generation > f.link.generation.Load() || a.budget.take(time.Now()) {
		return nil
	}
	if refusal != nil {
		return refusal
	}
	return errRenewLimit
}

func (a *authenticator) land(f *flight, err error) {
	a.mu.Lock()
	f.link.settled = max(f.link.settled, f.auths)
	if a.flight == f {
		a.flight = nil
	} else if f.auths > 0 {
		close(a.granted)
		a.granted = make(chan struct{})
	}
	a.mu.Unlock()
	f.err = err
	close(f.done)
}

func (a *authenticator) tellRenewed() {
	select {
	case a.renewed <- struct{}{}:
	default: // the supervisor has not looked yet
	}
}

// authenticate asks the source and authenticates. A refusal is final only at the newest generation: while a rotation is
// under way the source makes it wait for the next one.
func (a *authenticator) authenticate(ctx context.Context, l *link, source CredentialSource, depart func(Credentials) error) error {
	creds, err := source.Credentials(ctx)
	if err != nil {
		return fmt.Errorf("session: credentials: %w", err)
	}
	if err := depart(creds); err != nil {
		return err
	}
	for {
		refusal := a.session.grant(ctx, l, creds)
		if !isRefusal(refusal) {
			if refusal == nil {
				a.note(nil)
			}
			return refusal
		}
		newer, err := newerThan(ctx, source, creds.Generation)
		if err != nil {
			return fmt.Errorf("session: credentials: %w", err)
		}
		if newer.Generation <= creds.Generation {
			refusal = a.session.diagnose(ctx, l, creds, refusal)
			a.budget.rest(time.Now(), refusedPause)
			a.note(refusal)
			return refusal
		}
		creds = newer
	}
}

// note keeps the exchange's judgement of the credentials, for calls that are refused until they may be tried again.
func (a *authenticator) note(refusal error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal, a.refusedAt = refusal, time.Now()
}

// isRefusal reports whether the exchange does not take these credentials, rather than cannot answer now.
func isRefusal(err error) bool {
	if _, narrow := errors.AsType[*ScopeError](err); narrow {
		return true
	}
	refusal, ok := errors.AsType[*rpc.Error](err)
	return ok && (refusal.Class() == rpc.ClassStop || refusal.Class() == rpc.ClassReauthenticate)
}

// diagnose says why credentials are refused: a clock that is off looks like a wrong secret.
func (s *Session) diagnose(ctx context.Context, l *link, creds Credentials, refusal error) error {
	if s.signs(creds) && mayBeOfTheClock(refusal) {
		if skew, err := l.clockSkew(ctx); err == nil && skew.Abs() > maxSkew {
			return &ClockSkewError{Skew: skew, Err: refusal}
		}
	}
	return &AuthError{ClientID: creds.ClientID, Generation: creds.Generation, Err: refusal, Hint: hint(refusal)}
}

// mayBeOfTheClock reports whether it may be the signature that the exchange does not take. One that it has taken for a grant that is too
// narrow is in order, and too many failed logins are a reason to stop, whatever the clock says.
func mayBeOfTheClock(refusal error) bool {
	e, ok := errors.AsType[*rpc.Error](refusal)
	return ok && (e.Code == CodeInvalidCredentials || e.Code == CodeUnauthorized || e.Code == CodeAuthorizationRequired)
}

// hint says what to do about credentials that are refused.
func hint(refusal error) string {
	if e, ok := errors.AsType[*rpc.Error](refusal); !ok {
		return "" // a ScopeError says so itself
	} else if e.Code == CodeLoginOverLimit {
		return "too many logins have failed: the exchange refuses more for a time; look for whoever uses an old secret"
	}
	return "check the client id and the secret; the secret may have been reset elsewhere"
}

// maxSkew is beyond what a signature can bear: it is valid for 60 s.
const maxSkew = 30 * time.Second

// clockSkew is how far this machine's clock is ahead of the exchange's.
func (l *link) clockSkew(ctx context.Context) (time.Duration, error) {
	var millis int64
	before := time.Now()
	if err := l.call(ctx, methodTime, nil, &millis); err != nil {
		return 0, err
	}
	middle := before.Add(time.Since(before) / 2)
	return middle.Sub(time.UnixMilli(millis)), nil
}
