package rotate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// printAll prints v in every way that a program may.
func printAll(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "e", "p", "T", "c", "o", "b", "U", "08v", " x", "# x"} {
		fmt.Fprintf(&b, "%"+verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
	if text, err := json.Marshal(v); err == nil {
		b.Write(text)
	}
	return b.String()
}

// hidden fails the test if text shows a secret, in clear or as fmt and encoders disguise bytes.
func hidden(t *testing.T, what, text string) {
	t.Helper()
	for _, sign := range []string{
		"CANARY", fmt.Sprintf("%x", "CANARY"), fmt.Sprintf("%X", "CANARY"), "67 65 78 65 82 89", "67,65,78,65,82,89",
		"0x43, 0x41, 0x4e", "43 41 4e 41", "Q0FOQVJZ",
	} {
		if strings.Contains(text, sign) {
			t.Errorf("%s shows a secret as %q:\n%s", what, sign, text)
		}
	}
}

// TestI10NothingPrintsASecret prints every exported type that holds or may hold a secret.
func TestI10NothingPrintsASecret(t *testing.T) {
	t.Parallel()
	p := newProcess(newWorld())
	record := fullRecord()
	key := rotate.APIKey{ID: keyID, ClientID: clientID, Secret: session.NewSecret([]byte("CANARY-key"))}
	rotator := p.rotator(t, nil)
	for _, v := range []any{
		record, &record, record.Current, record.Candidates, key, &key, rotator, p.keyring,
		rotate.Config{Keyring: p.keyring, Store: &memoryStore{p}},
		&rotate.UnsavedError{Key: key, Err: errDown},
		rotate.UnsavedError{Key: key, Err: errDown},
		&rotate.LockedOutError{KeyID: keyID, ClientID: clientID, Err: errDown},
		&rotate.UnknownOutcomeError{KeyID: keyID, ClientID: clientID, Err: errDown},
		rotate.RotationEnd{Err: errDown, Report: rotate.Report{ID: "x"}},
		fmt.Errorf("wrapped: %w", &rotate.UnsavedError{Key: key, Err: errDown}),
	} {
		hidden(t, fmt.Sprintf("%T", v), printAll(t, v))
	}
}

// TestI10LogsErrorsAndReports runs rotations that go right and wrong in many ways, and searches all that they say.
func TestI10LogsErrorsAndReports(t *testing.T) {
	challenge := func(map[string]any) (string, error) {
		return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
	}
	for name, change := range map[string]func(*process){
		"right": func(*process) {},
		"lost":  func(p *process) { p.lost, p.revokes = true, true },
		"odd": func(p *process) {
			p.reply = func(s string) string { return strings.Replace(s, `"enabled":true`, `"enabled":"CANARY"`, 1) }
		},
		"truncated": func(p *process) { p.reply = func(s string) string { return s[:len(s)-30] } },
		"wrong type": func(p *process) {
			p.reply = func(s string) string { return strings.Replace(s, `"id":3`, `"id":"CANARY"`, 1) }
		},
		"challenge": func(p *process) { p.refuse = challenge },
		"refused code": func(p *process) {
			p.refuse = func(params map[string]any) (string, error) {
				if params["authorization_data"] == nil {
					return challenge(params)
				}
				return "", refusal(session.CodeSecurityKey, "CANARY-reason "+fmt.Sprint(params["authorization_data"]))
			}
		},
		"refused": func(p *process) {
			p.refuse = func(map[string]any) (string, error) { return "", refusal(99999, "CANARY-data") }
		},
		"unstored": func(p *process) { p.save = failOnce() },
		"broken":   func(p *process) { p.sessions[2].fault = errDown },
		"foreign":  func(p *process) { p.try = func() error { p.secret = "CANARY-foreign"; return nil } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				p.revokes = true // else a token would reset the key again and again
				change(p)
				var logged bytes.Buffer
				observer := &recorder{}
				report, err := p.rotator(t, func(c *rotate.Config) {
					c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
					c.Observer = observer
					c.SecondFactor = func(context.Context, rotate.Challenge) (string, error) { return "CANARY-code", nil }
				}).Rotate(t.Context())
				if logged.Len() == 0 || len(observer.seen) == 0 {
					t.Error("nothing was logged or observed")
				}
				hidden(t, "log", logged.String())
				hidden(t, "report", printAll(t, report)+report.String())
				hidden(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err)+printAll(t, err))
				hidden(t, "observer", fmt.Sprintf("%+v", observer.seen))
			})
		})
	}
}

// failOnce fails the first Save of a candidate.
func failOnce() func(rotate.Record) error {
	failed := false
	return func(r rotate.Record) error {
		if len(r.Candidates) > 0 && !failed {
			failed = true
			return errDown
		}
		return nil
	}
}

// TestObserver: the observer is told of each step, once at its start and once at its end.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions = p.sessions[:1]
		o := &recorder{}
		if _, err := p.rotator(t, func(c *rotate.Config) { c.Observer = o }).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"rotation rotate " + clientID}
		for _, step := range []string{"lease", "preflight", "intent", "reset", "store", "verify", "publish", "reauthenticate s0"} {
			want = append(want, step+" begins", step+" ends: <nil>")
		}
		want = append(want, "rotated: <nil>")
		if !slices.Equal(o.seen, want) {
			t.Errorf("seen %q\nwant %q", o.seen, want)
		}
	})
}

// recorder is an Observer that notes what it is told.
type recorder struct {
	mu   sync.Mutex // protects seen
	seen []string
}

func (o *recorder) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, fmt.Sprintf(format, args...))
}

func (o *recorder) RotationStart(ctx context.Context, r rotate.Rotation) (context.Context, func(rotate.RotationEnd)) {
	o.note("rotation %s %s", r.Trigger, r.ClientID)
	return ctx, func(end rotate.RotationEnd) { o.note("%s: %v", end.Report.Outcome, end.Err) }
}

func (o *recorder) RotationStep(ctx context.Context, s rotate.Step) (context.Context, func(error)) {
	name := strings.TrimSpace(string(s.Kind) + " " + s.Session)
	o.note("%s begins", name)
	return ctx, func(err error) { o.note("%s ends: %v", name, err) }
}
