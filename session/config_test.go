package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// TestBadConfig shows that a Config that cannot work is told at once, by the field's name, and that no URL is quoted.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	creds := session.Credentials{ClientID: "id", Secret: session.NewSecret([]byte(canary))}
	for name, c := range map[string]struct {
		cfg  session.Config
		want string
	}{
		"no URL":                   {session.Config{}, "URL: is empty"},
		"URL that does not parse":  {session.Config{URL: "wss://host\x00/hush"}, "URL: does not parse"},
		"URL with user":            {session.Config{URL: "wss://user:hush@host/"}, "URL: carries user information"},
		"URL without host":         {session.Config{URL: "wss:///hush"}, "URL: has no host"},
		"URL without scheme":       {session.Config{URL: "www.deribit.com/hush"}, "URL: has no host"},
		"http":                     {session.Config{URL: "https://host/?token=hush"}, `URL: has the scheme "https"`},
		"plain text":               {session.Config{URL: "ws://host/?token=hush"}, "URL: is not encrypted"},
		"heartbeat too short":      {session.Config{URL: session.TestURL, Heartbeat: 9 * time.Second}, "Heartbeat: 9s is below"},
		"COD without credentials":  {session.Config{URL: session.TestURL, CancelOnDisconnect: true}, "CancelOnDisconnect: needs Credentials"},
		"misspelt scope":           {session.Config{URL: session.TestURL, Scope: "connection trade:fly"}, `Scope: "trade:fly"`},
		"unknown grant":            {session.Config{URL: session.TestURL, Grant: 9}, "Grant: 9 is neither"},
		"negative dial timeout":    {session.Config{URL: session.TestURL, DialTimeout: -1}, "must not be negative"},
		"negative call timeout":    {session.Config{URL: session.TestURL, CallTimeout: -1}, "must not be negative"},
		"plain text, private host": {session.Config{URL: "ws://10.0.0.1/", Credentials: creds}, "set AllowPlaintext"},
	} {
		s, err := session.Dial(t.Context(), c.cfg)
		if err == nil {
			t.Errorf("%s: Dial passed", name)
			_ = s.Close(t.Context())
			continue
		}
		if !errors.Is(err, session.ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ErrConfig with %q", name, err, c.want)
		}
		if strings.Contains(err.Error(), "hush") || len(sightings(err.Error(), canary)) > 0 {
			t.Errorf("%s: the error quotes what it should not: %v", name, err)
		}
	}
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	for state, want := range map[session.State]string{
		session.Connecting: "connecting", session.Authenticating: "authenticating", session.Resuming: "resuming",
		session.Ready: "ready", session.Backoff: "backoff", session.Closed: "closed", 77: "State(77)",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d = %q, want %q", state, got, want)
		}
	}
}
