package rotate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// unfinished is a world in which a process has died after its secret was stored, under a lease that lasts another minute.
func unfinished(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.resets, w.secret, w.version = 1, "CANARY-secret-2", 5
	w.record = &rotate.Record{
		Version: 5, KeyID: keyID, ClientID: clientID,
		Current:    rotate.Candidate{Secret: session.NewSecret([]byte(firstWord)), Generation: 1},
		Candidates: []rotate.Candidate{{Secret: session.NewSecret([]byte(w.secret)), Generation: 2, Received: time.Now()}},
		Intent:     &rotate.Intent{ID: "dead", Epoch: 1, Started: time.Now()},
		Lease:      &rotate.Lease{Owner: "dead", Epoch: 1, Expires: time.Now().Add(time.Minute)},
	}
	return w
}

// TestRecoverWaitsForTheLease: the lease of a process that has died ends with its time, and Recover waits for that. Rotate does not.
func TestRecoverWaitsForTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(unfinished(t))
		_, err := p.rotator(t, nil).Rotate(t.Context())
		if _, held := errors.AsType[*rotate.LeaseHeldError](err); !held {
			t.Errorf("Rotate: %v", err)
		}
		began := time.Now()
		report, err := p.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || report.OldGeneration != 1 || report.NewGeneration != 2 {
			t.Fatalf("%v, %v", report, err)
		}
		if waited := time.Since(began); waited < time.Minute {
			t.Errorf("waited %v only", waited)
		}
		settled(t, p)
	})
}

// TestRotateFinishesFirst: a Rotate that finds an unfinished rotation recovers it, and then rotates.
func TestRotateFinishesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(unfinished(t))
		<-time.After(time.Minute)
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if err != nil || report.Outcome != rotate.Rotated || report.OldGeneration != 2 || report.NewGeneration != 3 {
			t.Fatalf("%v, %v", report, err)
		}
		settled(t, p)
	})
}

// TestCloseWhileWaiting: whatever Recover waits for, Close ends it, and what the store has is left alone.
func TestCloseWhileWaiting(t *testing.T) {
	for name, change := range map[string]func(*process){
		"for the lease":    func(*process) {},
		"for the exchange": func(p *process) { p.record.Lease.Owner, p.try = "", func() error { return errDown } },
		"for the store": func(p *process) {
			p.record.Lease.Owner = ""
			p.save = func(r rotate.Record) error { // the promotion does not go through
				if r.Intent == nil {
					return errDown
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(unfinished(t))
				change(p)
				r := p.rotator(t, nil)
				done := make(chan rotate.Report, 1)
				go func() {
					report, err := r.Recover(t.Context())
					if err == nil {
						t.Error("recovered")
					}
					done <- report
				}()
				<-time.After(30 * time.Second)
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if report := <-done; report.Outcome != rotate.Unfinished {
					t.Errorf("report: %v", report)
				}
				if p.record.Intent == nil || len(p.record.Candidates) != 1 {
					t.Errorf("left behind: %+v", p.record)
				}
			})
		})
	}
}

// TestStoreDownAtPromotion: the promotion waits for the store, for the secret is safe already.
func TestStoreDownAtPromotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var failing time.Time
		p.save = func(r rotate.Record) error {
			if p.resets == 0 || r.Intent != nil {
				return nil
			}
			if failing.IsZero() {
				failing = time.Now()
			}
			if time.Since(failing) < 10*time.Minute {
				return errDown
			}
			return nil
		}
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
	})
}

// TestSessionOfAnotherKeyring: a session that never sees the new secret is told as such.
func TestSessionOfAnotherKeyring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[1].deaf = true
		_, err := p.rotator(t, nil).Rotate(t.Context())
		degraded, ok := errors.AsType[*rotate.DegradedError](err)
		if !ok || !slices.Equal(degraded.Sessions, []string{"s1"}) {
			t.Errorf("error: %v", err)
		}
	})
}

// TestChannels: the report compares what was before with what is after.
func TestChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[0].channels = []session.ChannelStats{
			{Channel: "book.A.raw", Epoch: 1, Breaks: 1},
			{Channel: "gone", Epoch: 1},
		}
		report, err := p.rotator(t, func(c *rotate.Config) {
			c.Hooks.BeforeReauthenticate = func(_ context.Context, name string) {
				if name == "s0" {
					p.sessions[0].channels = []session.ChannelStats{{Channel: "book.A.raw", Epoch: 3, Breaks: 4, Gaps: 2}}
				}
			}
		}).Rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := report.Sessions[0].Channels
		if len(got) != 2 || got[0].Breaks != 3 || got[0].Gaps != 2 || !got[0].Confirmed {
			t.Errorf("channels: %+v", got)
		}
		if len(got) == 2 && (got[1].Confirmed || got[1].Note != "no longer subscribed to") {
			t.Errorf("channel that is gone: %+v", got[1])
		}
	})
}

// TestRecoverNothing: without a store's record, or without an intent in it, there is nothing to do and nothing is done.
func TestRecoverNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.keyring.Shut()
		report, err := p.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Unchanged || p.record != nil || p.keyring.IsShut() {
			t.Errorf("%v, %v", report, err)
		}
		if text := report.String(); !strings.HasPrefix(text, "no rotation of key") {
			t.Errorf("the report tells of one: %s", text)
		}
	})
}

// TestCloseNeverAbandonsASecret: a Close while the new secret is in memory alone waits until the store has it.
func TestCloseNeverAbandonsASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		began := time.Now()
		p.save = func(r rotate.Record) error {
			if len(r.Candidates) > 0 && time.Since(began) < 10*time.Minute {
				return errDown
			}
			return nil
		}
		r := p.rotator(t, nil)
		done := make(chan error, 1)
		go func() {
			_, err := r.Rotate(t.Context())
			done <- err
		}()
		<-time.After(time.Second)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		settled(t, p)
	})
}
