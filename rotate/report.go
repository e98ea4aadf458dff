package rotate

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// Outcome is how a rotation ended.
type Outcome string

// The outcomes.
const (
	// Rotated means that the new secret is stored, was accepted, and is what every session uses.
	Rotated Outcome = "rotated"
	// Recovered means that an unfinished rotation was finished, or found not to have happened.
	Recovered Outcome = "recovered"
	// Checked means that a rotation would have begun: nothing stood in its way before the reset.
	Checked Outcome = "checked"
	// Unchanged means that there was nothing to recover.
	Unchanged Outcome = "unchanged"
	// Aborted means that the exchange did not reset the key: the old secret is as good as before.
	Aborted Outcome = "aborted"
	// Degraded means that the new secret is stored and published, but some sessions have not authenticated with it yet.
	Degraded Outcome = "degraded"
	// Unfinished means that the rotation was interrupted, or that a Recover without an authority has left a key to be removed, of which a
	// warning tells: the store holds what Recover needs.
	Unfinished Outcome = "unfinished"
	// LockedOut means that the exchange takes none of the secrets that are known.
	LockedOut Outcome = "locked out"
)

// Report is the account of a rotation. It has no secret in it, only fingerprints.
type Report struct {
	ID             string          `json:"id"`
	Trigger        Trigger         `json:"trigger"`
	Outcome        Outcome         `json:"outcome"`
	Err            string          `json:"error,omitempty"`
	KeyID          int64           `json:"key_id"`
	ClientID       string          `json:"client_id"`
	NewClientID    string          `json:"new_client_id,omitempty"` // of the key that took the place of this one
	OldGeneration  uint64          `json:"old_generation"`
	NewGeneration  uint64          `json:"new_generation"` // 0 if there is no new secret
	OldFingerprint string          `json:"old_fingerprint"`
	NewFingerprint string          `json:"new_fingerprint,omitempty"`
	Started        time.Time       `json:"started"`
	Duration       time.Duration   `json:"duration"`           // nanoseconds in JSON, as all durations here
	Warnings       []string        `json:"warnings,omitempty"` // of what may happen to the fleet, found before the reset; of a key that is left
	Steps          []StepReport    `json:"steps"`
	Sessions       []SessionReport `json:"sessions"`
}

// StepReport is the account of one step.
type StepReport struct {
	Kind     StepKind      `json:"kind"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"`
	Err      string        `json:"error,omitempty"`
}

// SessionReport is the account of one session's re-authentication.
type SessionReport struct {
	Name     string          `json:"name"`
	Wave     int             `json:"wave"` // counted from 0, which is the canary's
	Started  time.Time       `json:"started"`
	Duration time.Duration   `json:"duration"`
	Err      string          `json:"error,omitempty"`
	Channels []ChannelReport `json:"channels"`
	// Generation is that of the secret with which the session was authenticated at the end, 0 if it had no connection.
	Generation uint64 `json:"generation"`
}

// ChannelReport compares a channel's counters before the reset and after the re-authentication.
type ChannelReport struct {
	Channel   string               `json:"channel"`
	Before    session.ChannelStats `json:"before"`
	After     session.ChannelStats `json:"after"`
	Confirmed bool                 `json:"confirmed"` // the exchange confirmed it after the re-authentication
	Note      string               `json:"note,omitempty"`
	Breaks    uint64               `json:"breaks"` // of the chain of change ids, in between
	Gaps      uint64               `json:"gaps"`   // in between: how often notifications may have been missed
}

// String is the report in a few lines for people.
func (r Report) String() string {
	var b strings.Builder
	what := "rotation " + r.ID
	if r.ID == "" {
		what = "no rotation"
	}
	fmt.Fprintf(&b, "%s of key %d (%s): %s in %v", what, r.KeyID, r.ClientID, r.Outcome, r.Duration.Round(time.Microsecond))
	if r.NewGeneration != 0 {
		fmt.Fprintf(&b, ", generation %d (%s) to %d (%s)", r.OldGeneration, r.OldFingerprint, r.NewGeneration, r.NewFingerprint)
	}
	if r.NewClientID != "" {
		fmt.Fprintf(&b, ", client id %s", r.NewClientID)
	}
	if r.Err != "" {
		fmt.Fprintf(&b, "\n  error: %s", r.Err)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "\n  warning: %s", w)
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "\n  %-14s %12v%s", s.Kind, s.Duration.Round(time.Microsecond), because(s.Err))
	}
	for _, s := range r.Sessions {
		fmt.Fprintf(&b, "\n  session %s: wave %d, %v, %d channels, %s%s",
			s.Name, s.Wave, s.Duration.Round(time.Microsecond), len(s.Channels), s.continuity(), because(s.Err))
	}
	return b.String()
}

// continuity says how many of the channels had a gap.
func (s SessionReport) continuity() string {
	interrupted := 0
	for _, c := range s.Channels {
		if c.Gaps > 0 {
			interrupted++
		}
	}
	if interrupted == 0 {
		return "none interrupted"
	}
	return fmt.Sprintf("%d interrupted", interrupted)
}

func because(err string) string {
	if err == "" {
		return ""
	}
	return ": " + err
}
