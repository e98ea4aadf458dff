package rotate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

func candidate(secret string, generation uint64, received time.Time) rotate.Candidate {
	return rotate.Candidate{Secret: session.NewSecret([]byte(secret)), Generation: generation, Received: received}
}

// TestProbeOrder: the newest secret is tried first, the current one last, a second apart; meanwhile nobody authenticates.
func TestProbeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := unfinished(t)
		w.record.Lease.Owner = ""
		w.secret = firstWord
		w.record.Candidates = append(w.record.Candidates, candidate("CANARY-3", 3, time.Now()))
		p := newProcess(w)
		p.try = func() error {
			if !p.keyring.IsShut() {
				t.Error("sessions may authenticate while it is not known with what")
			}
			return nil
		}
		began := time.Now()
		report, err := p.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || report.NewGeneration != 0 {
			t.Fatalf("%v, %v", report, err)
		}
		if waited := time.Since(began); waited < 2*time.Second {
			t.Errorf("three attempts in %v", waited)
		}
		var want []string
		for _, secret := range []string{"CANARY-3", "CANARY-secret-2", firstWord} {
			want = append(want, "try "+session.NewSecret([]byte(secret)).Fingerprint())
		}
		tried := slices.DeleteFunc(slices.Clone(p.events), func(e string) bool { return !strings.HasPrefix(e, "try") })
		if !slices.Equal(tried, want) {
			t.Errorf("tried %v, want %v", tried, want)
		}
		settled(t, p)
	})
}

// TestR10CandidatesOutliveAPromotion: a promotion drops candidates only when they are a day old.
func TestR10CandidatesOutliveAPromotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := unfinished(t)
		w.record.Lease.Owner = ""
		w.record.Candidates = slices.Insert(w.record.Candidates, 0,
			candidate("CANARY-old", 2, time.Now().Add(-25*time.Hour)), candidate("CANARY-young", 2, time.Now().Add(-23*time.Hour)))
		w.record.Candidates[2].Generation = 3
		p := newProcess(w)
		if _, err := p.rotator(t, nil).Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
		if left := w.record.Candidates; len(left) != 1 || !left[0].Secret.Equal(session.NewSecret([]byte("CANARY-young"))) {
			t.Errorf("left: %d candidates", len(left))
		}
	})
}

// TestF25LeaseLostBeforePromotion: a rotator that was paused stores what it has received, whatever its lease, but does not promote
// it: who has the lease may. It waits for the lease, and then looks again.
func TestF25LeaseLostBeforePromotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		var until time.Time
		p.try = func() error {
			if until.IsZero() {
				until = time.Now().Add(time.Minute)
				p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 9, Expires: until}
			}
			return nil
		}
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if err != nil || report.Outcome != rotate.Rotated {
			t.Fatalf("%v, %v", report, err)
		}
		if time.Now().Before(until) {
			t.Error("promoted while another held the lease")
		}
		if want := uint64(10); p.record.Lease.Epoch != want {
			t.Errorf("epoch %d, want %d", p.record.Lease.Epoch, want)
		}
		settled(t, p)
	})
}

// TestManyRotations: what a rotation leaves does not grow.
func TestManyRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		for i := range 200 {
			if _, err := r.Rotate(t.Context()); err != nil {
				t.Fatal(i, err)
			}
		}
		settled(t, p)
		text, err := rotate.EncodeRecord(*p.record)
		if err != nil || len(text) > 500 {
			t.Error(fmt.Sprintf("%d bytes after 200 rotations", len(text)), err)
		}
	})
}
