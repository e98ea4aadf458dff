package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/deribittest"
	"github.com/holdfast-ws/holdfast/rotate"
)

func TestEveryPromiseIsKept(t *testing.T) {
	for _, behaviour := range []deribittest.ResetProfile{
		{}, {TokensRevoked: true}, {TokensRevoked: true, Connections: deribittest.ConnectionsClosedAfterReply},
	} {
		t.Run(behaviour.String(), func(t *testing.T) {
			opts := options{
				behaviour: behaviour, transport: "lean", sessions: 2, channels: 20, callers: 8, rotations: 2,
				phase: 300 * time.Millisecond, pace: 10 * time.Millisecond,
				report: filepath.Join(t.TempDir(), "rotation.html"),
			}
			found, err := run(t.Context(), opts, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var account strings.Builder
			found.account(&account)
			if !found.Kept || found.Channels != opts.channels {
				t.Error(account.String())
			}
			page, err := os.ReadFile(opts.report)
			if err != nil {
				t.Fatal(err)
			}
			compareReport(t, found, string(page), account.String())
		})
	}
}

// TestJudge breaks one promise at a time: a judge that finds nothing wrong proves nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	good := func() *result {
		return &result{
			Calls:         calls{Total: 9, OK: 9},
			Orders:        orders{Placed: 3},
			Notifications: notifications{Published: 5, Received: 5},
			Spans:         map[string]int{"credentials.rotate": 1}, SecretsSearched: 7,
		}
	}
	for name, c := range map[string]struct {
		closed  bool
		rotated error
		spoil   func(*result)
	}{
		"a rotation failed":      {rotated: errors.New("failed"), spoil: func(*result) {}},
		"an order twice":         {spoil: func(r *result) { r.ExecutedTwice = 1 }},
		"an order unresolved":    {spoil: func(r *result) { r.Orders.Unresolved = 1 }},
		"a secret seen":          {spoil: func(r *result) { r.SecretSightings = 1 }},
		"a goroutine left":       {spoil: func(r *result) { r.Goroutines.After = 1 }},
		"a rotation not traced":  {spoil: func(r *result) { r.Spans = nil }},
		"a call refused":         {spoil: func(r *result) { r.Calls.Refused = 1 }},
		"a call not sent":        {spoil: func(r *result) { r.Calls.NotSent = 1 }},
		"a call unknown":         {spoil: func(r *result) { r.Calls.Unknown = 1 }},
		"a notification lost":    {spoil: func(r *result) { r.Notifications.Lost = 1 }},
		"a gap":                  {spoil: func(r *result) { r.Notifications.Gaps = 1 }},
		"no gap for a closure":   {closed: true, spoil: func(*result) {}},
		"no calls":               {spoil: func(r *result) { r.Calls.OK = 0 }},
		"no orders":              {spoil: func(r *result) { r.Orders.Placed = 0 }},
		"no notifications":       {spoil: func(r *result) { r.Notifications.Received = 0 }},
		"no secrets to look for": {spoil: func(r *result) { r.SecretsSearched = 0 }},
		"a channel unconfirmed": {spoil: func(r *result) {
			r.Reports = []rotate.Report{{Sessions: []rotate.SessionReport{{Channels: []rotate.ChannelReport{{Channel: "user.a"}}}}}}
		}},
		"a caller has complained": {spoil: func(r *result) { r.Broken = []string{"so"} }},
	} {
		s := &stage{opts: options{rotations: 1}, turns: []turn{{rotate.Report{Outcome: rotate.Rotated}, c.rotated, rotated}}}
		if c.closed {
			s.opts.behaviour.Connections, s.consumers = deribittest.ConnectionsClosedAfterReply, []*consumer{{}}
		}
		found := good()
		c.spoil(found)
		if s.judge(found); found.Kept || len(found.Broken) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
	found := good()
	if (&stage{opts: options{rotations: 1}, turns: []turn{{rotate.Report{Outcome: rotate.Rotated}, nil, rotated}}}).judge(found); !found.Kept {
		t.Errorf("nothing was broken, but: %v", found.Broken)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	got := compare(map[string]uint64{"a": 3, "b": 2}, map[string]uint64{"a": 1, "b": 2, "c": 9})
	if want := (notifications{Published: 5, Received: 3, Lost: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
