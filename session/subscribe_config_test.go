package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/session"
)

// TestSubscribeConfig refuses what would have no effect, before anything is asked for.
func TestSubscribeConfig(t *testing.T) {
	t.Parallel()
	f := newFar(t, nil)
	s, g := dial(t, scripted(f)), dialGroup(t, grouped(f, 2, 1))
	handler, onGap := func(session.Notification) {}, func(error) {}
	for what, cfg := range map[string]session.SubscribeConfig{
		"Buffer":                           {Handler: handler, Buffer: 1},
		"BufferBytes":                      {Handler: handler, BufferBytes: 1},
		"and Policy":                       {Handler: handler, Policy: session.Fail},
		"nothing is buffered":              {Handler: handler, OnGap: onGap, Policy: session.Conflate},
		"OnGap is for a Handler":           {OnGap: onGap},
		"OnGap is for a Handler: Notifica": {OnGap: onGap, Policy: session.Fail, Buffer: 1},
		"one place for each channel":       {Policy: session.Conflate, Buffer: 1},
		"Policy: there is no 3":            {Policy: session.Conflate + 1},
	} {
		for _, subscribe := range []func(context.Context, session.SubscribeConfig, ...string) (*session.Subscription, error){s.Subscribe, g.Subscribe} {
			if sub, err := subscribe(t.Context(), cfg, "ticker.A"); !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), what) || sub != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if n := f.count("public/subscribe"); n != 0 {
		t.Errorf("%d frames were sent", n)
	}
	for _, cfg := range []session.SubscribeConfig{
		{Handler: handler}, {Handler: handler, OnGap: onGap}, {Policy: session.Conflate, BufferBytes: 1}, {Policy: session.Fail},
	} {
		if _, err := s.Subscribe(t.Context(), cfg, "ticker.A"); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
