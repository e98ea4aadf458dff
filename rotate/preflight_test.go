package rotate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// TestPreflight: what would go wrong after the reset is found before it, and nothing is changed.
func TestPreflight(t *testing.T) {
	forbidden := refusal(session.CodeForbidden, "")
	for _, test := range []struct {
		name, check, text string
		change            func(*process, *rotate.Config)
	}{
		{"nobody", "sessions", "set Config.Authority", func(_ *process, c *rotate.Config) {
			c.Sessions = func() []rotate.Session { return nil }
		}},
		{"not ready", "sessions", "s4: down", func(p *process, _ *rotate.Config) {
			p.sessions[4].closed, p.sessions[4].fault = true, errDown
		}},
		{"clock", "clock", "6s ahead of the exchange: set its clock", func(p *process, _ *rotate.Config) { p.skew = 6 * time.Second }},
		{"clock that is behind", "clock", "is 6s behind the exchange: set its clock", func(p *process, _ *rotate.Config) { p.skew = -6 * time.Second }},
		{"no such key", "key", "no key with client id", func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) { return "[]", nil }
		}},
		{"another id", "key", "belongs to key 3, not 4", func(_ *process, c *rotate.Config) { c.KeyID = 4 }},
		{"asymmetric", "key", "asymmetric", func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) {
				return `[{"id":3,"client_id":"` + clientID + `","public_key":"-----BEGIN"}]`, nil
			}
		}},
		{"disabled", "key", "disabled", func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) {
				return `[{"id":3,"client_id":"` + clientID + `","enabled":false}]`, nil
			}
		}},
		{"forbidden", "key", forbidden.Error(), func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) { return "", forbidden }
		}},
		{"not a list", "key", "unexpected reply", func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) { return `{"id":3}`, nil }
		}},
		{"second factor without an answer", "key", "set Config.SecondFactor", func(p *process, _ *rotate.Config) {
			p.list = func(map[string]any) (string, error) {
				return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
			}
		}},
		{"store that does not keep", "store", "down", func(p *process, _ *rotate.Config) {
			saves := 0
			p.save = func(rotate.Record) error {
				if saves++; saves > 2 {
					return errDown
				}
				return nil
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				report, err := p.rotator(t, func(c *rotate.Config) { test.change(p, c) }).Rotate(t.Context())
				failed, ok := errors.AsType[*rotate.PreflightError](err)
				if !ok || failed.Check != test.check || !strings.Contains(err.Error(), test.text) {
					t.Errorf("error: %v", err)
				}
				if report.Outcome != rotate.Aborted || p.resets != 0 || p.keyring.IsShut() || p.record.Intent != nil {
					t.Errorf("changed: %v, %d resets", report, p.resets)
				}
			})
		})
	}
}

// TestGatedList: a list of keys that needs the second factor is asked for only if the key's number is not known.
func TestGatedList(t *testing.T) {
	for name, known := range map[string]int64{"known": keyID, "looked up": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				p.list = func(params map[string]any) (string, error) {
					if params["authorization_data"] == "123456" && params["challenge"] == "CANARY-challenge" {
						return "[" + keyJSON(clientID, keyID, p.secret) + "]", nil
					}
					return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
				}
				var asked []string
				_, err := p.rotator(t, func(c *rotate.Config) {
					c.KeyID = known
					c.SecondFactor = func(_ context.Context, c rotate.Challenge) (string, error) {
						asked = append(asked, c.Method)
						return "123456", nil
					}
				}).Rotate(t.Context())
				if err != nil || (known == 0) != (len(asked) == 1) {
					t.Errorf("%v, asked for %v", err, asked)
				}
				settled(t, p)
			})
		})
	}
}

// TestConfig: what cannot work is refused at once, by the field's name.
func TestConfig(t *testing.T) {
	t.Parallel()
	p := newProcess(newWorld())
	good := rotate.Config{
		Keyring: p.keyring, Store: &memoryStore{p}, Sessions: rotate.Fleet(p.sessions...),
		Throwaway: session.Config{URL: "wss://example.com"},
	}
	if _, err := rotate.New(good); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*rotate.Config){
		"Keyring":       func(c *rotate.Config) { c.Keyring = nil },
		"Keyring: has":  func(c *rotate.Config) { c.Keyring = rotate.NewKeyring(session.Credentials{ClientID: "x"}) },
		"Store":         func(c *rotate.Config) { c.Store = nil },
		"Throwaway.URL": func(c *rotate.Config) { c.Throwaway.URL = "" },
		"Authority":     func(c *rotate.Config) { c.Sessions = nil },
		"LeaseTTL":      func(c *rotate.Config) { c.LeaseTTL = time.Second },
	} {
		cfg := good
		change(&cfg)
		if _, err := rotate.New(cfg); !errors.Is(err, rotate.ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestBadInput: each strange answer to a reset is a typed error, and never a success.
func TestBadInput(t *testing.T) {
	replace := func(old, fresh string) func(*process) {
		return func(p *process) {
			p.reply = func(raw string) string {
				if !strings.Contains(raw, old) {
					t.Errorf("no %s in the reply", old)
				}
				return strings.Replace(raw, old, fresh, 1)
			}
		}
	}
	refuse := func(err error) func(*process) {
		return func(p *process) { p.refuse = func(map[string]any) (string, error) { return "", err } }
	}
	var locked *rotate.LockedOutError
	var second *rotate.SecondFactorError
	var refused *rpc.Error
	for _, test := range []struct {
		name    string
		change  func(*process)
		as      any
		outcome rotate.Outcome
		text    string
	}{
		{"empty client_secret", replace(`"client_secret":"CANARY-secret-2"`, `"client_secret":""`), &locked, rotate.LockedOut, "client_secret is empty"},
		{"no client_secret", replace(`"client_secret"`, `"x"`), &locked, rotate.LockedOut, "client_secret is empty"},
		{"client_secret a number", replace(`"CANARY-secret-2"`, `42`), &locked, rotate.LockedOut, "client_secret is not text"},
		{"the old secret", replace(`CANARY-secret-2`, firstWord), &locked, rotate.LockedOut, "the old one"},
		{"wrong client_id", replace(clientID, "WRONG"), &locked, rotate.LockedOut, `client id "WRONG"`},
		{"wrong id", replace(`"id":3`, `"id":4`), &locked, rotate.LockedOut, "of key 4"},
		{"not an object", func(p *process) { p.reply = func(string) string { return `"ok"` } }, &locked, rotate.LockedOut, "not an object"},
		{"null", func(p *process) { p.reply = func(string) string { return `null` } }, &locked, rotate.LockedOut, "not an object"},
		{"truncated", func(p *process) { p.reply = func(raw string) string { return raw[:len(raw)/2] } }, &locked, rotate.LockedOut, "not an object"},
		{"challenge where a key was expected", func(p *process) {
			p.refuse = func(map[string]any) (string, error) {
				return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
			}
		}, nil, rotate.Aborted, "set Config.SecondFactor"},
		{"a challenge as an error", refuse(refusal(session.CodeSecurityKey, "tfa_code_is_required")), nil, rotate.Aborted, "set Config.SecondFactor"},
		{"13668 out of the blue", refuse(refusal(session.CodeSecurityKey, "tfa_code_not_matched")), &second, rotate.Aborted, "check the device"},
		{"invalid params", refuse(refusal(rpc.CodeInvalidParams, "")), &refused, rotate.Aborted, "-32602"},
		{"too many requests", refuse(refusal(session.CodeTooManyRequests, "")), &refused, rotate.Aborted, "not executed"},
		{"an error of no known meaning", refuse(refusal(99999, "")), &refused, rotate.Aborted, "not executed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				test.change(p)
				p.revokes = test.outcome == rotate.LockedOut // else a token would heal it
				report, err := p.rotator(t, nil).Rotate(t.Context())
				if err == nil || report.Outcome != test.outcome || !strings.Contains(err.Error(), test.text) {
					t.Errorf("%v: %v", report.Outcome, err)
				}
				if test.as != nil && !errors.As(err, test.as) {
					t.Errorf("%T: %v", err, err)
				}
				if strings.Contains(err.Error(), "CANARY") || strings.Contains(report.String(), "CANARY") {
					t.Error("the secret is in the text")
				}
				if got := p.record.Current.Secret; !got.Equal(session.NewSecret([]byte(firstWord))) {
					t.Error("something else than the old secret is current")
				}
			})
		})
	}
}

// TestOddReply: what is strange beside the secret must not cost the secret.
func TestOddReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.reply = func(raw string) string { return strings.Replace(raw, `"enabled":true`, `"enabled":"yes"`, 1) }
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
	})
}
