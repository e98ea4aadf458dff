package session_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// login is the Config of a session whose authentication is answered with result.
func (a *arena) login(result string) session.Config {
	a.Helper()
	cfg := a.config("public/auth", func(f *foe) { f.say(`{"id":%d,"result":`, result, `}`); f.look() })
	cfg.Credentials = session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary)), Generation: 1}
	return cfg
}

// fails is an answer to an authentication that Dial tells of by an error of some type, with no word of the answer.
func fails(typed func(err error) bool, result string) hostileRun {
	return func(a *arena) {
		a.Helper()
		ctx, cancel := context.WithTimeout(a.Context(), patience)
		defer cancel()
		machine := machineLag(ctx)
		cfg := a.login(result)
		cfg.Scope = "trade:read"
		s, err := session.Dial(ctx, cfg)
		if err == nil {
			closeAtEnd(a.T, s)
			a.Fatal("Dial passed")
		}
		if a.ended(ctx, machine); !typed(err) || strings.Contains(err.Error(), "hush") || len(sightings(err.Error(), canary)) > 0 {
			a.Errorf("Dial ended with %T: %.300v", err, err)
		}
	}
}

func is(target error) func(err error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// hostileLogins are attacks by the answer to an authentication, and by what a session asks for itself.
var hostileLogins = []hostile{
	{"token of 3 MiB", false, fails(is(rpc.ErrDecode), `{"access_token":"`+strings.Repeat("hush", 3<<18)+`","scope":"trade:read"}`)},
	{"scope of 3 MiB", false, fails(is(rpc.ErrDecode), `{"access_token":"a","scope":"`+strings.Repeat("hush ", 3<<18)+`"}`)},
	{"token that is a number", false, fails(is(rpc.ErrDecode), `{"access_token":1,"scope":"hush"}`)},
	{"token that is text", false, fails(is(rpc.ErrDecode), `"hush"`)},
	{"no token", false, fails(func(err error) bool { return strings.Contains(err.Error(), "no access token") }, `{"scope":"hush"}`)},
	{"life of a token that is NaN", false, fails(is(rpc.ErrDecode), `{"access_token":"a","expires_in":NaN,"scope":"hush"}`)},
	{"life of a token that is text", false, fails(is(rpc.ErrDecode), `{"access_token":"a","expires_in":"hush"}`)},
	{"life of a token beyond 64 bits", false, fails(is(rpc.ErrDecode), `{"access_token":"a","expires_in":1e30}`)},
	{"narrower scope", false, fails(isA[*session.ScopeError], `{"access_token":"a","scope":"account:read"}`)},
	{"scope in capitals", false, fails(isA[*session.ScopeError], `{"access_token":"a","SCOPE":"trade:read"}`)},
	{"no answer to the authentication", false, bubble(func(a *arena) {
		cfg := a.config("public/auth", func(*foe) {})
		cfg.Credentials, cfg.CallTimeout = session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary))}, 3*time.Second
		start := time.Now()
		s, err := session.Dial(a.Context(), cfg)
		if err == nil {
			closeAtEnd(a.T, s)
		}
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > cfg.CallTimeout+time.Second {
			a.Errorf("Dial ended with %v after %v", err, took)
		}
	})},
	{"token whose life is negative", false, bubble(lives(-1, 1))},
	{"token whose life is as negative as can be", false, bubble(lives(-9223372037, 1))},
	{"token whose life is as long as can be", false, bubble(lives(9223372036854775807, 1))},
	{"token that lives for a second", false, bubble(lives(1, 3601))},
	{"no answer to anything", false, bubble(noAnswers)},
	{"flood of test requests", false, bubble(floodOfTests)},
}

// lives is a token of a life in seconds: in an hour no more authentications follow than so many.
func lives(seconds, most int64) hostileRun {
	return func(a *arena) {
		var asked atomic.Int64
		cfg := pipes(a.T, joined{a.dialer}, func(_ int, w *wire) {
			f := &foe{wire: w, arena: a}
			for f.behave("public/auth") {
				asked.Add(1)
				f.say(`{"id":%d,"result":{"access_token":"a","refresh_token":"r","scope":"connection","expires_in":` + strconv.FormatInt(seconds, 10) + `}}`)
			}
		})
		cfg.Credentials = session.Credentials{ClientID: "client", Secret: session.NewSecret([]byte(canary)), Generation: 1}
		s := dial(a.T, cfg)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		if got, err := a.call(s, patience); err != nil || got != "ok" || s.Stats().Epoch != 1 {
			a.Errorf("an hour later a call ended with %q, %v, over connection %d", got, err, s.Stats().Epoch)
		}
		if n := asked.Load(); n > most {
			a.Errorf("%d authentications in an hour, want %d at most", n, most)
		}
	}
}

// noAnswers has a peer fall silent behind the login: all that waits ends by its deadline.
func noAnswers(a *arena) {
	cfg := a.login(`{"access_token":"a","scope":"connection","expires_in":3600}`)
	deaf := make(chan struct{})
	cfg.NetDial = pipes(a.T, joined{a.dialer}, func(_ int, w *wire) {
		f := &foe{wire: w, arena: a}
		for f.behave("public/hello") {
			close(deaf)
			for {
				if _, err := f.message(); err != nil {
					return
				}
			}
		}
	}).NetDial
	s := dial(a.T, cfg)
	waits := map[string]func(ctx context.Context) error{
		"Call": func(ctx context.Context) error { return s.Call(ctx, "public/hello", nil, nil) },
		"CallRaw": func(ctx context.Context) error {
			_, err := s.CallRaw(ctx, "private/buy", nil, nil)
			return err
		},
		"Send": func(ctx context.Context) error {
			p, err := s.Send(ctx, "private/sell", nil)
			if err != nil {
				return err
			}
			return p.Wait(ctx, nil)
		},
		"Subscribe": func(ctx context.Context) error {
			_, err := s.Subscribe(ctx, session.SubscribeConfig{}, "ticker.A")
			return err
		},
		"Reauthenticate": s.Reauthenticate,
	}
	for _, name := range []string{"Call", "CallRaw", "Send", "Subscribe", "Reauthenticate"} {
		ctx, cancel := context.WithTimeout(a.Context(), time.Second)
		machine := machineLag(ctx)
		if err := waits[name](ctx); !errors.Is(err, context.DeadlineExceeded) || rpc.SafeToRetry(err) {
			a.Errorf("%s ended with %v", name, err)
		}
		a.ended(ctx, machine)
		cancel()
	}
	<-deaf
}

// floodOfTests asks for a heartbeat's answer again and again, and answers each answer at once. They stay few.
func floodOfTests(a *arena) {
	const seconds = 60
	var tests atomic.Int64
	cfg := pipes(a.T, joined{a.dialer}, func(_ int, w *wire) {
		f := &foe{wire: w, arena: a}
		stop := make(chan struct{})
		defer close(stop)
		go func() { // ends with the peer
			for {
				f.flood(text(`{"method":"heartbeat","params":{"type":"test_request"}}`), 1000)
				select {
				case <-time.After(time.Second):
				case <-stop:
					return
				}
			}
		}()
		for f.behave("public/test") {
			tests.Add(1)
			f.reply(f.victim)
		}
	})
	cfg.Heartbeat = 10 * time.Second
	s := dial(a.T, cfg)
	time.Sleep(seconds * time.Second) //nolint:forbidigo // virtual time
	if got, err := a.call(s, patience); err != nil || got != "ok" || s.Stats().Epoch != 1 {
		a.Errorf("a call ended with %q, %v, over connection %d", got, err, s.Stats().Epoch)
	}
	if n := tests.Load(); n < 2 || n > seconds/5+1 {
		a.Errorf("%d answers in %d s, want one in 5 s", n, seconds)
	}
}
