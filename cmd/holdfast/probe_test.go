package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/internal/exchangetest"
	"github.com/holdfast-ws/holdfast/session"
)

// subject is a simulated exchange inside a bubble, with a throwaway key and a second one.
type subject struct {
	server     *deribittest.Server
	listener   *deribittest.MemoryListener
	key, admin deribittest.Key
	path       string // of the key's secret
	args       []string

	mu    sync.Mutex // protects conns
	conns []net.Conn // as they were opened: the first is the exchange's number 1
}

func newSubject(t *testing.T, cfg deribittest.Config, key, admin deribittest.KeyConfig) *subject {
	t.Helper()
	s := &subject{listener: deribittest.NewMemoryListener(), path: filepath.Join(privateDir(t), "secret")}
	cfg.Listener, cfg.Tick = s.listener, -1
	s.server = exchangetest.New(t, cfg)
	s.key, s.admin = s.server.AddKey(key), s.server.AddKey(admin)
	adminPath := s.path + "-admin"
	for path, secret := range map[string]string{s.path: s.key.Secret, adminPath: s.admin.Secret} {
		if err := writeSecretFile(path, []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	s.args = []string{
		"-url", s.server.URL(), "-client-id", s.key.ClientID, "-secret-file", s.path,
		"-admin-client-id", s.admin.ClientID, "-admin-secret-file", adminPath,
	}
	return s
}

func (s *subject) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := s.listener.DialContext(ctx, network, addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return c, err
}

// cut breaks the connection that the exchange knows by a number.
func (s *subject) cut(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[number-1].Close()
}

// probe runs the command, and sees that it prints no secret.
func (s *subject) probe(t *testing.T, stdin io.Reader, more ...string) (out, errOut string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &probe{netDial: s.dial}
	err = p.command(t.Context(), streams{stdin, &stdout, &stderr}, append(s.args, more...))
	said := stdout.String() + stderr.String()
	if err != nil {
		said += err.Error()
	}
	assertNoSecret(t, s.server, said)
	return stdout.String(), stderr.String(), err
}

// found runs the command and returns what it found. The file then holds the key's secret, and no order is left.
func (s *subject) found(t *testing.T, stdin io.Reader, more ...string) (got struct {
	findings
	Profile profile `json:"profile"`
},
) {
	t.Helper()
	out, errOut, err := s.probe(t, stdin, append(more, "-json")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, errOut)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	s.check(t)
	return got
}

// check sees that the file holds the key's secret, with which nothing is left to do.
func (s *subject) check(t *testing.T) {
	t.Helper()
	secret, err := readSecretFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	now, _ := s.server.Key(s.key.ID)
	if !secret.Equal(session.NewSecret([]byte(now.Secret))) {
		t.Error("the file does not hold the key's secret")
	}
	one, err := session.Dial(t.Context(), session.Config{
		URL: s.server.URL(), NetDial: s.dial, Credentials: session.Credentials{ClientID: s.key.ClientID, Secret: secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	var open []json.RawMessage
	if err := one.Call(t.Context(), "private/get_open_orders_by_currency", map[string]string{"currency": "BTC"}, &open); err != nil || len(open) > 0 {
		t.Errorf("%d orders are left: %v", len(open), err)
	}
	if err := one.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestProbeFindsEachProfile: the command says of each of the twelve what the double was set to.
func TestProbeFindsEachProfile(t *testing.T) {
	for profile := range deribittest.ResetProfiles() {
		t.Run(profile.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSubject(t, deribittest.Config{Reset: profile}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
				got := s.found(t, strings.NewReader(""), "-yes")
				want := defaults(profile)
				if got.Profile != want {
					t.Errorf("found   %+v\nnot the %+v", got.Profile, want)
				}
				if got.KeyID != s.key.ID || got.ByAdmin.ReplyLost || got.Logins.DeadToken != 13009 {
					t.Errorf("found %+v", got.findings)
				}
			})
		})
	}
}

// defaults is the profile of an exchange that is left alone in all but its resets.
func defaults(reset deribittest.ResetProfile) profile {
	return profile{Reset: reset, BadSignatureCode: 13004, TokensSurvive: !reset.TokensRevoked}
}

// TestProbeFindsEachSwitch: so it does of the other points that the documents leave open, one by one and all at once, whatever a
// reset does.
func TestProbeFindsEachSwitch(t *testing.T) {
	for name, set := range map[string]func(*deribittest.Config, *profile){
		"a key cannot reset itself": func(c *deribittest.Config, p *profile) { c.SelfResetRefused, p.SelfResetRefused = true, true },
		"a second login is refused": func(c *deribittest.Config, p *profile) { c.ReauthRefused, p.ReauthRefused = true, true },
		"it drops subscriptions":    func(c *deribittest.Config, p *profile) { c.ReauthDropsPrivate, p.ReauthDropsPrivate = true, true },
		"a failed one ends the authentication": func(c *deribittest.Config, p *profile) {
			c.FailedAuthDeauthenticates, p.FailedAuthDeauthenticates = true, true
		},
		"a wrong signature is 13009": func(c *deribittest.Config, p *profile) { c.BadSignatureCode, p.BadSignatureCode = 13009, 13009 },
		"nobody is 10000": func(c *deribittest.Config, p *profile) {
			c.AuthorizationRequired, p.AuthorizationRequired, c.BadSignatureCode, p.BadSignatureCode = true, true, 10000, 10000
		},
		"a list of scopes":     func(c *deribittest.Config, _ *profile) { c.MaxScopeList, c.ListHidesSecrets = true, true },
		"replies out of order": func(c *deribittest.Config, _ *profile) { c.Reorder = true },
		"most of it at once": func(c *deribittest.Config, p *profile) {
			c.ReauthDropsPrivate, c.FailedAuthDeauthenticates, c.BadSignatureCode, c.SnapshotAgain = true, true, 13009, true
			p.ReauthDropsPrivate, p.FailedAuthDeauthenticates, p.BadSignatureCode = true, true, 13009
		},
	} {
		for _, reset := range []deribittest.ResetProfile{
			{}, {TokensRevoked: true, SubscriptionsDropped: true}, {Connections: deribittest.ConnectionsClosedAfterReply},
		} {
			t.Run(name+"/"+reset.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg, want := deribittest.Config{Reset: reset}, defaults(reset)
					set(&cfg, &want)
					s := newSubject(t, cfg, deribittest.KeyConfig{}, deribittest.KeyConfig{})
					if got := s.found(t, strings.NewReader("yes\n")); got.Profile != want {
						t.Errorf("found   %+v\nnot the %+v", got.Profile, want)
					}
				})
			})
		}
	}
}

// person types yes, and then the codes that the device shows.
type person struct {
	server *deribittest.Server
	key    int64
	wrong  int // codes that are mistyped
	began  bool
	codes  int
}

func (p *person) Read(b []byte) (int, error) {
	if !p.began {
		p.began = true
		return copy(b, "yes\n"), nil
	}
	p.codes++
	if p.codes <= p.wrong {
		return copy(b, "CANARY-code\n"), nil // three zeros would be found in any timestamp, and taken for a secret that was printed
	}
	return copy(b, p.server.SecondFactorCode(p.key)+"\n"), nil
}

func TestProbeAnswersTheSecondFactor(t *testing.T) {
	for _, asError := range []bool{false, true} {
		for _, wrong := range []int{0, 1} {
			t.Run("as an error "+strconv.FormatBool(asError)+", mistyped "+strconv.Itoa(wrong), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSubject(t, deribittest.Config{SecondFactorError: asError}, deribittest.KeyConfig{SecondFactor: true}, deribittest.KeyConfig{})
					typing := &person{server: s.server, key: s.key.ID, wrong: wrong}
					want := defaults(deribittest.ResetProfile{})
					want.SecondFactor, want.SecondFactorError = true, asError
					if got := s.found(t, typing); got.Profile != want || typing.codes != 2+wrong {
						t.Errorf("%d codes, found %+v", typing.codes, got.Profile)
					}
				})
			})
		}
	}
}

// TestProbeWithoutACode: who does not answer has not begun.
func TestProbeWithoutACode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSubject(t, deribittest.Config{}, deribittest.KeyConfig{SecondFactor: true}, deribittest.KeyConfig{})
		_, _, err := s.probe(t, strings.NewReader(""), "-yes")
		if err == nil || !strings.Contains(err.Error(), "no code was given") {
			t.Errorf("error: %v", err)
		}
		s.unchanged(t)
		typing := &person{server: s.server, key: s.key.ID, wrong: 1000}
		if _, _, err = s.probe(t, typing); err == nil || !strings.Contains(err.Error(), "goes on asking") || typing.codes > 6 {
			t.Errorf("%d codes, error: %v", typing.codes, err)
		}
		s.unchanged(t)
	})
}

// unchanged sees that the key is as it was.
func (s *subject) unchanged(t *testing.T) {
	t.Helper()
	if now, _ := s.server.Key(s.key.ID); now.Secret != s.key.Secret {
		t.Error("the key was reset")
	}
	s.check(t)
}

func TestProbeTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := deribittest.ResetProfile{TokensRevoked: true, Connections: deribittest.ConnectionsClosedBeforeReply}
		s := newSubject(t, deribittest.Config{Reset: reset, FailedAuthDeauthenticates: true}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
		out, errOut, err := s.probe(t, strings.NewReader("yes\n"))
		if err != nil {
			t.Fatal(err)
		}
		const want = `
a reset                             by another key                  by the key itself
is                                  taken                           taken
asks for a second factor            no                              no
its reply                           comes                           is lost
the connection that asked           -                               closed
another connection of the key       closed                          closed
token of the connection that asked  -                               ended with it
token of the other connection       ended with it                   ended with it
access token of a named session     dead (13009)                    dead (13009)
refresh token of a named session    dead (-32602)                   dead (-32602)
private subscriptions               told of the reset, then closed  told of the reset, then closed

login with the old secret, client_signature    refused (13004)
login with the old secret, client_credentials  refused (13004)
second login on one connection                 taken
private subscriptions after it                 kept
private call after a failed login              refused (13009)
private call with a dead token                 refused (13009)
code 13009 (unauthorized)                      raised
code 10000 (authorization_required)            not raised

As configuration:
  holdfast sim -behaviour tokens-revoked,subscriptions-kept,connections-closed-before-reply
  holdfast rotate -tokens-survive=false
  rotate.Config{TokensSurvive: false, ConnectionsSurvive: false}
  session.Config{SubscriptionsSurvive: true}
  deribittest.Config{Reset: deribittest.ResetProfile{TokensRevoked: true, Connections: deribittest.ConnectionsClosedBeforeReply}, FailedAuthDeauthenticates: true}
  deribittest.KeyConfig{}
`
		if _, table, _ := strings.Cut(out, "\n"); table != want {
			t.Errorf("printed\n%s", out)
		}
		if !strings.Contains(errOut, "by the second key, and then by the key itself") || !strings.HasSuffix(errOut, "Type yes to begin: ") {
			t.Errorf("asked\n%s", errOut)
		}
	})
}

// TestProbeLosesTheSecondKeysReply: the network, not the exchange, loses a reply, and the key is reset once more.
func TestProbeLosesTheSecondKeysReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *subject
		var lost atomic.Bool
		s = newSubject(t, deribittest.Config{OnFrame: func(f deribittest.Frame) {
			if !f.Incoming && f.Method == "private/reset_api_key" && !lost.Swap(true) {
				s.cut(f.Conn)
			}
		}}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
		if got := s.found(t, strings.NewReader("yes\n")); got.Profile != defaults(deribittest.ResetProfile{}) || !lost.Load() {
			t.Errorf("found %+v", got.Profile)
		}
	})
}

// TestProbeLosesTheKeysOwnReply: that is not taken for what the exchange does.
func TestProbeLosesTheKeysOwnReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *subject
		var resets atomic.Int64
		s = newSubject(t, deribittest.Config{OnFrame: func(f deribittest.Frame) {
			if !f.Incoming && f.Method == "private/reset_api_key" && resets.Add(1) == 2 {
				s.cut(f.Conn)
			}
		}}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
		_, _, err := s.probe(t, strings.NewReader("yes\n"))
		if err == nil || !strings.Contains(err.Error(), "it may be the network") || resets.Load() != 3 {
			t.Errorf("%d resets, error: %v", resets.Load(), err)
		}
		s.check(t)
	})
}

// TestProbeKeepsBeforeItUses: a secret that cannot be kept is not used either.
func TestProbeKeepsBeforeItUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *subject
		var before uint64
		s = newSubject(t, deribittest.Config{OnFrame: func(f deribittest.Frame) {
			if !f.Incoming || f.Method != "private/reset_api_key" {
				return
			}
			before = s.server.Stats().Authentications
			if err := errors.Join(os.Remove(s.path), os.Mkdir(s.path, 0o700)); err != nil {
				t.Error(err)
			}
		}}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
		_, _, err := s.probe(t, strings.NewReader("yes\n"))
		if err == nil || !strings.Contains(err.Error(), "reset the key once more") {
			t.Errorf("error: %v", err)
		}
		if after := s.server.Stats().Authentications; before == 0 || after != before {
			t.Errorf("%d authentications at the reset, %d at the end", before, after)
		}
	})
}

// TestProbeOfASim runs both commands as they are run, on a real network and a real clock.
func TestProbeOfASim(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	const reset = "tokens-kept,subscriptions-kept,connections-closed-after-reply" // nothing is waited for in vain
	told, writer := io.Pipe()
	exited := make(chan int, 1)
	go func() {
		exited <- run(ctx, streams{strings.NewReader(""), writer, io.Discard}, []string{
			"sim", "-json", "-behaviour", reset, "-admin-secret-file", filepath.Join(privateDir(t), "admin"),
		})
	}()
	var sim simulated
	if err := json.NewDecoder(told).Decode(&sim); err != nil {
		t.Fatal(err)
	}
	exit, out, errOut := invoke(t, "yes\n", "probe", "-url", sim.WS, "-client-id", sim.ClientID, "-secret-file", sim.SecretFile,
		"-admin-client-id", sim.AdminClientID, "-admin-secret-file", sim.AdminSecretFile, "-wait", "30s")
	if exit != 0 || !strings.Contains(out, "holdfast sim -behaviour "+reset+"\n") {
		t.Errorf("exit code %d\n%s%s", exit, out, errOut)
	}
	interrupt()
	if code := <-exited; code != 0 {
		t.Errorf("sim: exit code %d", code)
	}
	var page strings.Builder
	if err := sim.account(&page); err != nil || !strings.Contains(page.String(), "second key\n  client id    "+sim.AdminClientID) {
		t.Errorf("sim told %v\n%s", err, page.String())
	}
}
