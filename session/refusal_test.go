package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// rising is a CredentialSource that has a newer generation each time that it is asked.
type rising struct{ creds session.Credentials }

// Credentials implements session.CredentialSource.
func (r *rising) Credentials(context.Context) (session.Credentials, error) {
	r.creds.Generation++
	return r.creds, nil
}

// TestRefusedCallIsSentAgainForEachGeneration has rotations follow one another while a call is sent again.
func TestRefusedCallIsSentAgainForEachGeneration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const refusals = 3
		f := newFar(t, nil)
		sent := 0
		f.script = script{"private/get_positions": func(p *peer, r request) {
			if sent++; sent <= refusals {
				p.refuse(r, int(session.CodeUnauthorized), "unauthorized")
				return
			}
			p.answer(r, "ok")
		}}
		cfg := scripted(f)
		cfg.Credentials = &rising{session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary))}}
		s := dial(t, cfg)
		if err := s.Call(t.Context(), "private/get_positions", nil, nil); err != nil {
			t.Error(err)
		}
		if stats := s.Stats(); stats.Resent != refusals || stats.AuthorityLost != 0 {
			t.Errorf("sent again %d times, want %d; a rotation passed for a loss of authority %d times", stats.Resent, refusals, stats.AuthorityLost)
		}
	})
}

// TestRefusalCountsThoughTheConnectionCloses is an exchange that refuses a key and hangs up: the session must not take that
// for a lost connection, and knock again.
func TestRefusalCountsThoughTheConnectionCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/auth": func(p *peer, r request) {
			if p.number == 1 {
				p.comply(r)
				return
			}
			p.refuse(r, int(session.CodeInvalidCredentials), "invalid_credentials")
			p.close()
		}}
		s := dial(t, scripted(f))
		f.last().close()
		<-s.Done()
		if !isA[*session.AuthError](s.Err()) || f.dials != 2 {
			t.Errorf("%v after %d connections, want an AuthError after 2", s.Err(), f.dials)
		}
	})
}

// TestWaitingForCredentialsIsNotSilence lets a rotation hold a fresh connection for longer than a heartbeat would bear:
// there is none yet.
func TestWaitingForCredentialsIsNotSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, source := newFar(t, nil), newKeyring()
		cfg := scripted(f)
		cfg.Credentials = source
		s := dial(t, cfg)
		open := source.shut()
		f.last().close()
		time.Sleep(10 * time.Minute) //nolint:forbidigo // virtual time
		open()
		if err := s.WaitReady(t.Context()); err != nil || f.dials != 2 {
			t.Errorf("%v after %d connections, want the second to be ready", err, f.dials)
		}
	})
}

// TestSubscribeThatAResumeRefuses loses the connection before the answer, and the next one refuses the channel at its resume:
// Subscribe must not return a subscription that has no channel.
func TestSubscribeThatAResumeRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, nil)
		f.script = script{"public/subscribe": func(p *peer, r request) {
			if p.number == 1 {
				p.close()
				return
			}
			p.answer(r, []string{})
		}}
		s := dial(t, scripted(f))
		sub, err := s.Subscribe(t.Context(), session.SubscribeConfig{}, "ticker.A")
		if refused, ok := errors.AsType[*session.SubscribeError](err); !ok || !slices.Equal(refused.Refused, []string{"ticker.A"}) {
			t.Errorf("%v, %v, want a SubscribeError of the channel", sub, err)
		}
	})
}
