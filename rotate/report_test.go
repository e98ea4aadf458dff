package rotate_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestReport: a report survives JSON, and its String names what a person looks for.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[1].fault = errDown
		p.sessions[0].channels = []session.ChannelStats{{Channel: "book.A.raw", Epoch: 1, Notifications: 9}}
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if err == nil {
			t.Fatal("a session that cannot re-authenticate is not told")
		}
		text, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		var back rotate.Report
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, text) {
			t.Errorf("after JSON (%v):\n%s\nbefore:\n%s", err, again, text)
		}
		for i, generation := range []uint64{2, 1} { // the first session took the new secret, the second did not
			if s := back.Sessions[i]; s.Generation != generation || s.Started.Before(back.Started) || s.Started.After(back.Started.Add(back.Duration)) {
				t.Errorf("session %s: generation %d, want %d; started at %v", s.Name, s.Generation, generation, s.Started)
			}
		}
		for _, want := range []string{
			report.ID, "degraded", "key 3", clientID, "generation 1", "to 2", report.NewFingerprint, "verify", "session s0: wave 0",
			"1 channels", "session s1", errDown.Error(), "Reauthenticate or Reconnect them",
		} {
			if !strings.Contains(report.String(), want) {
				t.Errorf("no %q in:\n%s", want, report)
			}
		}
	})
}

// TestRecoveryReportsChannels: a recovery, too, says what became of each channel, though the reset was another's.
func TestRecoveryReportsChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(unfinished(t))
		for _, s := range p.sessions {
			s.channels = []session.ChannelStats{{Channel: "user.orders.any.any.raw", Gaps: 1}}
		}
		report, err := p.rotator(t, nil).Recover(t.Context())
		if err != nil || len(report.Sessions) != len(p.sessions) {
			t.Fatalf("%v, %v", report, err)
		}
		for _, s := range report.Sessions {
			if len(s.Channels) != 1 || s.Channels[0].Channel != "user.orders.any.any.raw" || !s.Channels[0].Confirmed || s.Channels[0].Gaps != 0 {
				t.Errorf("%s: %+v", s.Name, s.Channels)
			}
		}
		settled(t, p)
	})
}
