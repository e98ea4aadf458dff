package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/session"
)

func TestProbeDeclined(t *testing.T) {
	for _, answer := range []string{"no\n", "\n", "", "YES\n", "yes please\n"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSubject(t, deribittest.Config{}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
			out, _, err := s.probe(t, strings.NewReader(answer))
			if err == nil || !strings.Contains(err.Error(), "nothing was changed") || out != "" {
				t.Errorf("%q: %v\n%s", answer, err, out)
			}
			if n := s.server.Stats().Connections; n != 0 {
				t.Errorf("%q: %d connections were opened", answer, n)
			}
			s.unchanged(t)
		})
	}
}

// TestProbeInterruptedAtTheReset: the reply is waited for, and what it holds is kept.
func TestProbeInterruptedAtTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		s := newSubject(t, deribittest.Config{OnFrame: func(f deribittest.Frame) {
			if f.Method == "private/reset_api_key" {
				interrupt()
			}
		}}, deribittest.KeyConfig{}, deribittest.KeyConfig{})
		err := (&probe{netDial: s.dial}).command(ctx, streams{strings.NewReader("yes\n"), io.Discard, io.Discard}, s.args)
		if !errors.Is(err, context.Canceled) || s.server.Stats().Calls["private/reset_api_key"] != 1 {
			t.Errorf("%v after %d resets", err, s.server.Stats().Calls["private/reset_api_key"])
		}
		s.check(t)
	})
}

func TestProbeInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	stdin, typed := io.Pipe()
	defer typed.Close()
	p := &probe{}
	err := p.command(ctx, streams{stdin, io.Discard, io.Discard}, []string{
		"-client-id", "a", "-secret-file", "f", "-admin-client-id", "b", "-admin-secret-file", "g",
	})
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("error: %v", err)
	}
}

// TestProbeNeeds: what it needs is looked for before anything is changed.
func TestProbeNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		key, admin deribittest.KeyConfig
		args       []string
		says       string
	}{
		"a second key that may reset":     {admin: deribittest.KeyConfig{Scope: "account:read trade:read_write"}, says: "second key: "},
		"one that reaches far enough":     {admin: deribittest.KeyConfig{Scope: "account:read_write"}, says: "13403"},
		"keys of one account":             {admin: deribittest.KeyConfig{Account: 2}, says: "of one account"},
		"a key that trades":               {key: deribittest.KeyConfig{Scope: "account:read_write trade:read"}, says: "private/buy"},
		"a key that reads its account":    {key: deribittest.KeyConfig{Scope: "trade:read_write"}, says: "needs account:read_write"},
		"the number of the key":           {args: []string{"-key-id", "2"}, says: "-key-id is of another one"},
		"an instrument":                   {args: []string{"-instrument", "NOTHING"}, says: "public/ticker"},
		"the secret of the key":           {args: []string{"-client-id", "nobody"}, says: "invalid_credentials"},
		"a file with the secret":          {args: []string{"-secret-file", "/nowhere/secret"}, says: "/nowhere/secret"},
		"a file with the second's":        {args: []string{"-admin-secret-file", "/nowhere/secret"}, says: "/nowhere/secret"},
		"encryption on the way to others": {args: []string{"-url", "ws://exchange.example/", "-i-mean-production"}, says: "not encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSubject(t, deribittest.Config{}, c.key, c.admin)
				_, _, err := s.probe(t, strings.NewReader("yes\n"), c.args...)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error should say %q: %v", c.says, err)
				}
				for _, key := range []deribittest.Key{s.key, s.admin} {
					if now, _ := s.server.Key(key.ID); now.Secret != key.Secret {
						t.Errorf("key %d was reset", key.ID)
					}
				}
			})
		})
	}
}

// TestProbeRefuses what it is asked wrongly, with the exit code 2.
func TestProbeRefuses(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-secret"
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{"-client-id", "a", "-secret-file", path, "-admin-client-id", "b", "-admin-secret-file", path, "-yes"}
	for says, args := range map[string][]string{
		"-client-id and -secret-file are needed":  {"-admin-client-id", "b", "-admin-secret-file", path},
		"only another key brings the key back":    {"-client-id", "a", "-secret-file", path},
		"must be another one":                     append(all, "-admin-client-id", "a"),
		"-wait must be positive":                  append(all, "-wait", "0s"),
		"unexpected argument":                     append(all, canary),
		"www.deribit.com/ws/api/v2 is not the ex": append(all, "-url", session.ProductionURL),
		"WWW.Deribit.Com is not the ex":           append(all, "-url", "wss://WWW.Deribit.Com"),
		"wss://deribit.example is not the ex":     append(all, "-url", "wss://deribit.example"),
		"-i-mean-production does it all the same": append(all, "-url", "wss://www.deribit.com./"),
	} {
		code, out, errOut := invoke(t, "yes\n", append([]string{"probe"}, args...)...)
		if code != 2 || !strings.Contains(errOut, says) || strings.Contains(out+errOut, canary) {
			t.Errorf("exit code %d; standard error should say %q:\n%s", code, says, errOut)
		}
	}
	for url, test := range map[string]bool{
		session.TestURL: true, "ws://127.0.0.1:8080/": true, "ws://[::1]:80/": true, "ws://localhost/": true, "wss://10.0.0.1/": false,
		"wss://test.deribit.com.example/": false, "wss://www.deribit.com@test.deribit.com/": true,
	} {
		if isTestHost(url) != test {
			t.Errorf("%s is a test system: %v", url, !test)
		}
	}
}
