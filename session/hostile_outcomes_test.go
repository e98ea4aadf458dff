package session_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// breaks is an attack that ends its connection alone, with an error that matches want if that is not nil. The victim's call ends
// with an unknown outcome for that reason, and the session goes on over another connection.
func breaks(want error, play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		seen := &loss{}
		cfg := a.config("public/hello", play)
		cfg.Observer = seen
		s := dial(a.T, cfg)
		got, err := a.call(s, patience)
		unanswered, ok := errors.AsType[*rpc.CallError](err)
		if !ok || unanswered.Outcome != rpc.Unknown || errors.Is(err, context.DeadlineExceeded) || want != nil && !errors.Is(err, want) {
			a.Errorf("the call ended with %q, %v, want an unknown outcome and %v", got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			a.Errorf("%q quotes the frame", err)
		}
		wantRecovery(a.T, s)
		if why := seen.reason(); why == nil || want != nil && !errors.Is(why, want) {
			a.Errorf("the observer was told of %v, want %v", why, want)
		}
	}
}

// bears is an attack that harms nobody: the victim gets its true answer behind it, over the same connection, and check finds what
// was counted.
func bears(play func(f *foe), check func(a *arena, s *session.Session)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", func(f *foe) {
			play(f)
			f.reply(f.victim)
		}))
		if got, err := a.call(s, patience); err != nil || got != "ok" {
			a.Errorf("the call ended with %q, %v", got, err)
		}
		if epoch := s.Stats().Epoch; epoch != 1 {
			a.Errorf("the attack cost %d connections", epoch-1)
		}
		check(a, s)
	}
}

// outlasts is an attack that keeps a call from its answer until its deadline.
func outlasts(play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", play))
		got, err := a.call(s, 300*time.Millisecond)
		if !errors.Is(err, context.DeadlineExceeded) || rpc.SafeToRetry(err) {
			a.Errorf("the call ended with %q, %v, want its deadline and an unknown outcome", got, err)
		}
	}
}

// forgiven is an attack that a strict Dialer refuses and another passes over: the victim gets its true answer, or none.
func forgiven(play func(f *foe)) func(a *arena) {
	return func(a *arena) {
		a.Helper()
		s := dial(a.T, a.config("public/hello", func(f *foe) {
			play(f)
			f.reply(f.victim)
		}))
		got, err := a.call(s, patience)
		_, unanswered := errors.AsType[*rpc.CallError](err)
		if err == nil && got != "ok" || err != nil && (!unanswered || rpc.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded)) {
			a.Errorf("the call ended with %q, %v", got, err)
		}
		if a.dialer == dialers["lean"] && err == nil {
			a.Error("the strict Dialer passed over it")
		}
	}
}

// strays checks how many strays of a kind were counted.
func strays(kind rpc.StrayKind, want uint64) func(a *arena, s *session.Session) {
	return func(a *arena, s *session.Session) {
		a.Helper()
		if got := s.Stats().Conn.Strays; got[kind] != want {
			a.Errorf("strays %v, want %d of kind %d", got, want, kind)
		}
	}
}

// unrouted checks how many notifications went to nobody.
func unrouted(want uint64) func(a *arena, s *session.Session) {
	return func(a *arena, s *session.Session) {
		a.Helper()
		if got := s.Stats(); got.Unrouted != want || got.Channels != 0 || len(s.Channels()) != 0 {
			a.Errorf("%d notifications went to nobody, want %d; %d channels", got.Unrouted, want, got.Channels)
		}
	}
}

// harmless checks nothing more.
func harmless(*arena, *session.Session) {}
