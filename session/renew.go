package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
)

// A token is renewed with the key, so that a renewal has what the source has now, and a key that is dead is noticed while the
// session still lives. Where the key cannot be had, or is refused, the refresh token keeps the session alive: a rotation is
// under way then, or somebody who has authority is needed to mend the key.

// patience is how long a renewal lets the source have it wait.
const patience = time.Second

// errKeyAway is why a renewal does without the key.
var errKeyAway = errors.New("session: the key cannot be had now")

// renewToken gives a live connection a token with a new life: by the refresh token if others wait for the key, which it would share with
// them, or if that is refused. What fails after an authentication is left to who has authenticated.
func (a *authenticator) renewToken(ctx context.Context, l *link) error {
	sent := l.mark()
	hurried, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := a.await(ctx, l, expiring, sent, hurried.Done())
	if err == nil || ctx.Err() != nil || l.auths.Load() > sent.auths {
		return ctx.Err()
	}
	f := newFlight(ctx, l, expiring)
	f.away, f.sent = err, sent
	a.launch(f)
	if f.wait(ctx, nil, nil) == nil && f.err != nil && errors.Is(err, errKeyAway) && l.auths.Load() == sent.auths {
		err = a.await(ctx, l, expiring, sent, nil)
	}
	if l.auths.Load() > sent.auths {
		return nil
	}
	return err
}

// impatient is a source that is not waited for.
type impatient struct{ CredentialSource }

// Credentials implements CredentialSource.
func (s impatient) Credentials(ctx context.Context) (Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.CredentialSource.Credentials(ctx)
}

// travel authenticates for a flight.
func (a *authenticator) travel(ctx context.Context, f *flight) error {
	if f.away != nil {
		return a.refresh(ctx, f, f.away)
	}
	source := a.session.cfg.Credentials
	depart := func(c Credentials) error { return a.depart(f, c) }
	if f.first != expiring {
		return a.authenticate(ctx, f.link, source, depart)
	}
	err := a.lately()
	tried := err == nil
	if tried {
		err = a.authenticate(ctx, f.link, impatient{source}, depart)
	}
	if err == nil {
		return nil
	}
	if !a.doesWithoutKey(f) {
		close(f.bound)
	} else if a.refresh(ctx, f, err) == nil {
		return nil
	}
	if tried && isRefusal(err) {
		return err
	}
	return a.authenticate(ctx, f.link, source, depart)
}

// refresh authenticates for a flight without the key.
func (a *authenticator) refresh(ctx context.Context, f *flight, why error) error {
	refreshed, err := f.link.refresh(ctx, f.sent)
	switch {
	case err != nil:
		f.link.logUnrefreshed(err)
	case refreshed:
		a.logRefreshed(why)
	}
	return err
}

// lately is the refusal of the key if that was not long ago: the exchange counts failures.
func (a *authenticator) lately() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.refusedAt) < refusedPause {
		return a.refusal
	}
	return nil
}

// doesWithoutKey closes a flight for those who want an authentication with the key, and reports that nobody on it does.
func (a *authenticator) doesWithoutKey(f *flight) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.asked = true
	return f.why != wanted
}

// logUnrefreshed tells, once for each connection, that the exchange does not take its refresh token.
func (l *link) logUnrefreshed(why error) {
	if _, isRefused := errors.AsType[*rpc.Error](why); !isRefused || l.unrefreshed.Swap(true) {
		return
	}
	attrs := []slog.Attr{slog.Any("error", why)}
	if hasNamedSession(l.session.cfg.Scope) {
		attrs = append(attrs, slog.String("likely", "another client may use this session's name, each of whose logins ends the refresh tokens "+
			"before it: give each a name of its own in Config.Scope"))
	}
	l.session.log(slog.LevelWarn, "the refresh token was refused: only the key renews the token now", attrs...)
}

// logRefreshed tells why the key was not used. One that is refused is an operator's matter: the session ends with its connection.
func (a *authenticator) logRefreshed(why error) {
	level := slog.LevelInfo
	if isRefusal(why) {
		level = slog.LevelError
	}
	a.session.log(level, "token renewed by its refresh token alone", slog.Any("reason", why))
}
