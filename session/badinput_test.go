package session_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// badDial is a Dial that must fail: with an error of a type, that says what is wrong and what to do.
type badDial struct {
	cfg   func(t *testing.T) session.Config
	typed func(error) bool
	says  []string
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// answering is the Config of a session with a server that answers the handshake as h does.
func answering(h http.HandlerFunc) func(t *testing.T) session.Config {
	return func(t *testing.T) session.Config {
		t.Helper()
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return session.Config{URL: strings.Replace(server.URL, "http", "ws", 1) + "/path?token=hush"}
	}
}

// refusedBy is the Config of a session that the exchange's double refuses.
func refusedBy(change func(*session.Config, deribittest.Key)) func(t *testing.T) session.Config {
	return func(t *testing.T) session.Config {
		t.Helper()
		server := newServer(t, deribittest.Config{Tick: -1, LoginFailures: 1})
		key := server.AddKey(deribittest.KeyConfig{Scope: "account:read"})
		cfg := on(server, key)
		change(&cfg, key)
		return cfg
	}
}

// badDials are the bad inputs that a Dial meets. What a Config alone shows is in TestBadConfig.
var badDials = map[string]badDial{
	"connection refused": {func(t *testing.T) session.Config {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return session.Config{URL: "ws://" + l.Addr().String() + "/ws?token=hush"}
	}, isA[*rpc.HandshakeError], []string{"refused"}},
	"redirect": {answering(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ws://elsewhere.example/hush", http.StatusFound)
	}), isA[*rpc.HandshakeError], []string{"302"}},
	"too many connections": {
		answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }),
		isA[*rpc.HandshakeError],
		[]string{"429"},
	},
	"no WebSocket there": {
		answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hush")) }),
		isA[*rpc.HandshakeError],
		[]string{"200"},
	},
	"wrong certificate": {func(t *testing.T) session.Config {
		t.Helper()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = quiet(t)
		server.StartTLS()
		t.Cleanup(server.Close)
		return session.Config{URL: strings.Replace(server.URL, "https", "wss", 1)}
	}, func(err error) bool {
		return isA[*rpc.HandshakeError](err) && isA[x509.UnknownAuthorityError](err)
	}, []string{"certificate"}},
	"wrong secret": {refusedBy(func(cfg *session.Config, key deribittest.Key) {
		cfg.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(canary)), Generation: 3}
	}), isRefused(session.CodeInvalidCredentials), []string{"generation 3", "check the client id and the secret"}},
	"wrong secret, sent as it is": {refusedBy(func(cfg *session.Config, key deribittest.Key) {
		cfg.Credentials = session.Credentials{ClientID: key.ClientID, Secret: session.NewSecret([]byte(canary))}
		cfg.Grant = session.GrantCredentials
	}), isRefused(session.CodeInvalidCredentials), []string{"check the client id and the secret"}},
	"unknown client id": {refusedBy(func(cfg *session.Config, _ deribittest.Key) {
		cfg.Credentials = session.Credentials{ClientID: "nobody", Secret: session.NewSecret([]byte(canary))}
	}), isRefused(session.CodeInvalidCredentials), []string{"authentication of nobody"}},
	"empty secret": {refusedBy(func(cfg *session.Config, key deribittest.Key) {
		cfg.Credentials = session.Credentials{ClientID: key.ClientID}
	}), isA[*session.AuthError], []string{"the secret is empty", "CredentialSource must return"}},
	"empty client id": {refusedBy(func(cfg *session.Config, _ deribittest.Key) {
		cfg.Credentials = session.Credentials{Secret: session.NewSecret([]byte(canary))}
	}), isA[*session.AuthError], []string{"the client id is empty", "CredentialSource must return"}},
	"missing scope": {
		refusedBy(func(cfg *session.Config, _ deribittest.Key) { cfg.Scope = "account:read trade:read_write" }),
		func(err error) bool { return isA[*session.AuthError](err) && isA[*session.ScopeError](err) },
		[]string{"trade:read_write", "widen the key's scope or ask for less"},
	},
	"a credential source that fails": {refusedBy(func(cfg *session.Config, _ deribittest.Key) {
		cfg.Credentials = sourceFunc(func(context.Context) (session.Credentials, error) { return session.Credentials{}, errNoVault })
	}), func(err error) bool { return errors.Is(err, errNoVault) }, []string{"session: credentials"}},
	"an answer without a token": {func(t *testing.T) session.Config {
		t.Helper()
		return scripted(newFar(t, script{"public/auth": func(p *peer, r request) { p.answer(r, map[string]string{"scope": "x"}) }}))
	}, func(err error) bool { return err != nil }, []string{"public/auth", "no access token"}},
}

var errNoVault = errors.New("the vault is sealed")

type sourceFunc func(ctx context.Context) (session.Credentials, error)

func (f sourceFunc) Credentials(ctx context.Context) (session.Credentials, error) { return f(ctx) }

func isRefused(code rpc.Code) func(error) bool {
	return func(err error) bool {
		refusal, ok := errors.AsType[*rpc.Error](err)
		return ok && isA[*session.AuthError](err) && refusal.Code == code
	}
}

func TestBadInputAtDial(t *testing.T) {
	t.Parallel()
	for name, bad := range badDials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			s, err := session.Dial(ctx, bad.cfg(t))
			if err == nil {
				closeAtEnd(t, s)
				t.Fatal("Dial passed")
			}
			if !bad.typed(err) || ctx.Err() != nil {
				t.Errorf("%T: %v", err, err)
			}
			for _, words := range bad.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			if strings.Contains(err.Error(), "hush") || len(sightings(err.Error(), canary)) > 0 {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestHangingHandshakeEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ timeout, ctx, want time.Duration }{
		"by DialTimeout": {3 * time.Second, time.Hour, 3 * time.Second},
		"by default":     {0, time.Hour, 10 * time.Second},
		"by ctx":         {0, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
				defer cancel()
				ours, theirs := net.Pipe()
				defer theirs.Close()
				start := time.Now()
				_, err := session.Dial(ctx, session.Config{
					URL: "ws://localhost/", DialTimeout: c.timeout,
					NetDial: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
				})
				if took := time.Since(start); took != c.want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Dial = %v after %v, want the deadline after %v", err, took, c.want)
				}
			})
		})
	}
}

// TestStrayFramesAreHarmless sends what belongs to no call, and goes on over the same connection.
// Asks: neo-go#3093.
func TestStrayFramesAreHarmless(t *testing.T) {
	t.Parallel()
	f := newFar(t, script{"public/hello": func(p *peer, r request) {
		p.send(`{"jsonrpc":"2.0","id":987654321,"result":"never asked"}`)
		p.send(`{"jsonrpc":"2.0","id":"text","result":"never asked"}`)
		p.send(`{"jsonrpc":"2.0","error":{"code":11051,"message":"system_maintenance"}}`)
		p.send(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"nobody's","data":1}}`)
		p.send(`{"jsonrpc":"2.0","method":"subscription","params":[]}`)
		p.send(`{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}`)
		p.send(`{"jsonrpc":"2.0","method":"never heard of"}`)
		p.answer(r, "hello")
		p.answer(r, "hello again")
	}})
	s := dial(t, scripted(f))
	for range 2 {
		var answer string
		if err := s.Call(t.Context(), "public/hello", nil, &answer); err != nil || answer != "hello" {
			t.Errorf("hello = %q, %v", answer, err)
		}
	}
	stats := s.Stats()
	if stats.Epoch != 1 || stats.Conn.Strays[rpc.StrayUnknownID] < 4 || stats.Conn.Strays[rpc.StrayError] != 2 || stats.Conn.Strays[rpc.StrayDuplicate] < 1 {
		t.Errorf("epoch %d, strays %v", stats.Epoch, stats.Conn.Strays)
	}
}

// TestExpiredTokenOfACall is a call that carries a token of its own which is dead: it is sent once more, and then refused.
func TestExpiredTokenOfACall(t *testing.T) {
	t.Parallel()
	server := newServer(t, deribittest.Config{Tick: -1})
	s := dial(t, on(server, server.AddKey(deribittest.KeyConfig{})))
	params := map[string]string{"access_token": canary}
	err := s.Call(t.Context(), "private/get_cancel_on_disconnect", params, nil)
	refusal, ok := errors.AsType[*rpc.Error](err)
	if !ok || refusal.Code != session.CodeUnauthorized || refusal.Class() != rpc.ClassReauthenticate || len(sightings(err.Error(), canary)) > 0 {
		t.Errorf("%v, want 13009", err)
	}
	if n := server.Stats().Calls["private/get_cancel_on_disconnect"]; n != 2 {
		t.Errorf("sent %d times, want twice", n)
	}
	if err := s.Call(t.Context(), "private/get_cancel_on_disconnect", nil, nil); err != nil {
		t.Errorf("the session's own authority: %v", err)
	}
}
