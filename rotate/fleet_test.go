package rotate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// talker is a session that says more of itself.
type talker struct {
	*fakeSession
	scope   string
	cancels bool
}

func (s *talker) Scope() string { return s.scope }

func (s *talker) CancelsOnDisconnect() bool { return s.cancels }

// talkers gives a process a fleet of so many sessions; scope is that of each.
func (p *process) talkers(n int, scope func(i int) string) func() []rotate.Session {
	var fleet []rotate.Session
	p.sessions = nil
	for i := range n {
		s := &fakeSession{process: p, name: fmt.Sprintf("s%d", i), generation: 1}
		p.sessions = append(p.sessions, s)
		fleet = append(fleet, &talker{fakeSession: s, scope: scope(i), cancels: i%2 == 1})
	}
	return rotate.Fleet(fleet...)
}

// TestNamedSessions: the exchange keeps sixteen sessions with a name, and would drop one of the fleet's for the rescue token.
func TestNamedSessions(t *testing.T) {
	distinct := func(i int) string { return fmt.Sprintf("account:read_write session:s%d expires:60", i) }
	for name, c := range map[string]struct {
		sessions int
		scope    func(int) string
		another  bool // key has authority
		refused  bool
	}{
		"fourteen":                       {14, distinct, false, false},
		"fifteen":                        {15, distinct, false, true},
		"fifteen, and no rescue token":   {15, distinct, true, false},
		"twenty that share names":        {20, func(i int) string { return distinct(i % 14) }, false, false},
		"twenty of their connections":    {20, func(int) string { return "connection" }, false, false},
		"twenty that have no scope said": {20, func(int) string { return "" }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				report, err := p.rotator(t, func(cfg *rotate.Config) {
					cfg.Sessions = p.talkers(c.sessions, c.scope)
					if c.another {
						cfg.Authority = newSecondKey(p)
					}
				}).Rotate(t.Context())
				if !c.refused {
					if err != nil {
						t.Errorf("%v, %v", report, err)
					}
					settled(t, p)
					return
				}
				failed, ok := errors.AsType[*rotate.PreflightError](err)
				if !ok || failed.Check != "sessions" || !strings.Contains(err.Error(), "15 sessions") || p.resets != 0 || p.rescues != 0 {
					t.Errorf("%v, %d resets, %d rescue tokens", err, p.resets, p.rescues)
				}
			})
		})
	}
}

// TestCrowded: who cannot have a connection for the new secret's trial since the exchange takes no more is told how many there are.
func TestCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Tick: -1}, 31, nil)
		_, err := r.rotator.Rotate(t.Context())
		failed, ok := errors.AsType[*rotate.PreflightError](err)
		if !ok || failed.Check != "connection" || !strings.Contains(err.Error(), "this program has 32, and the exchange takes 32 from one address") {
			t.Errorf("%v", err)
		}
	})
}

// TestWarnsOfCancels: whose orders a lost connection cancels is said before anything is reset, unless a reset is known to leave
// connections alone.
func TestWarnsOfCancels(t *testing.T) {
	for name, survive := range map[string]bool{"not known": false, "known to survive": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(newWorld())
				r := p.rotator(t, func(cfg *rotate.Config) {
					cfg.Sessions, cfg.ConnectionsSurvive = p.talkers(4, func(int) string { return "" }), survive
				})
				checked, err := r.Check(t.Context())
				rotated, alsoErr := r.Rotate(t.Context())
				if err != nil || alsoErr != nil {
					t.Fatal(err, alsoErr)
				}
				for _, report := range []rotate.Report{checked, rotated} {
					switch said := report.String(); {
					case survive && len(report.Warnings) != 0:
						t.Errorf("warned: %v", report.Warnings)
					case survive:
					case len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "s1, s3: cancel on disconnect") ||
						!strings.Contains(said, "warning: sessions s1, s3"):
						t.Errorf("warned: %v in %s", report.Warnings, said)
					}
				}
			})
		})
	}
}

// TestSessionsSayIt: a session of package session says what the preflight asks.
func TestSessionsSayIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, deribittest.Config{Tick: -1}, 2, func(i int, cfg *session.Config) {
			if i == 1 {
				cfg.CancelOnDisconnect, cfg.Scope = true, "session:engine"
			}
		})
		for i, s := range r.fleet {
			if s.CancelsOnDisconnect() != (i == 1) || (s.Scope() == "session:engine") != (i == 1) {
				t.Errorf("%s: %t, %q", s.Name(), s.CancelsOnDisconnect(), s.Scope())
			}
		}
		if report := r.rotate(t); len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0], "sessions s1: ") {
			t.Errorf("warned: %q", report.Warnings)
		}
	})
}
