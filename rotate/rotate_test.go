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

// settled fails the test unless the exchange, the store, the keyring and the sessions agree.
func settled(t *testing.T, p *process) {
	t.Helper()
	now := session.NewSecret([]byte(p.secret))
	switch {
	case p.record == nil:
		t.Fatal("nothing is stored")
	case !p.record.Current.Secret.Equal(now):
		t.Error("the store's current secret is not the exchange's")
	case p.record.Intent != nil:
		t.Error("an intent is left")
	case p.record.Lease.Owner != "":
		t.Error("the lease is not released")
	case !p.keyring.Current().Secret.Equal(now):
		t.Error("the keyring does not have the exchange's secret")
	case p.keyring.IsShut():
		t.Error("the gate is shut")
	}
	for _, s := range p.sessions {
		if s.Generation() != p.keyring.Current().Generation {
			t.Errorf("session %s is at generation %d", s.name, s.Generation())
		}
	}
	if len(p.world.broken) > 0 {
		t.Errorf("broken: %v", p.world.broken)
	}
}

func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, nil)
		for want := uint64(2); want < 5; want++ {
			report, err := r.Rotate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			settled(t, p)
			if report.Outcome != rotate.Rotated || report.NewGeneration != want || report.KeyID != keyID {
				t.Errorf("report: %v", report)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestOrderOfARotation is DESIGN's order: the intent is durable before the reset, the secret before its first use, the use on a
// throwaway connection before the promotion, and one session before the others.
func TestOrderOfARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		report, err := p.rotator(t, nil).Rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"save intent=false candidates=0 current=1 lease=false", // an empty store is given what the keyring has
			"save intent=false candidates=0 current=1 lease=true",
			"save intent=false candidates=0 current=1 lease=true", // the store's probe
			"save intent=true candidates=0 current=1 lease=true",
			"save intent=true candidates=0 current=1 lease=true", // the lease, in full before the reset
			"reset",
			"save intent=true candidates=1 current=1 lease=true",
			"try " + p.keyring.Current().Secret.Fingerprint(),
			"save intent=false candidates=0 current=2 lease=true",
			"authenticate s0",
			"subscriptions s0",
		}
		if got := p.events[:min(len(want), len(p.events))]; !slices.Equal(got, want) {
			t.Errorf("happened:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if last := p.events[len(p.events)-1]; last != "save intent=false candidates=0 current=2 lease=false" {
			t.Errorf("last: %s", last)
		}
		var steps []rotate.StepKind
		for _, s := range report.Steps {
			steps = append(steps, s.Kind)
		}
		if !slices.Equal(steps, []rotate.StepKind{
			rotate.StepLease, rotate.StepPreflight, rotate.StepIntent, rotate.StepReset, rotate.StepStore, rotate.StepVerify, rotate.StepPublish,
		}) {
			t.Errorf("steps: %v", steps)
		}
		var waves []int
		for _, s := range report.Sessions {
			waves = append(waves, s.Wave)
		}
		if !slices.Equal(waves, []int{0, 1, 1, 1, 1, 2}) {
			t.Errorf("waves: %v", waves)
		}
	})
}

// TestSingleFlight has a second caller join the first, and a caller leave without harm.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		hold := make(chan struct{})
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(ctx context.Context, _ rotate.Plan) error {
				select {
				case <-hold:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		impatient, leave := context.WithCancel(t.Context())
		reports := make(chan rotate.Report, 2)
		left := make(chan error, 1)
		go func() {
			_, err := r.Rotate(impatient)
			left <- err
		}()
		synctest.Wait() // the first caller is the one that leaves
		for range 2 {
			go func() {
				report, err := r.Rotate(t.Context())
				if err != nil {
					t.Error(err)
				}
				reports <- report
			}()
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that left: %v", err)
		}
		close(hold)
		if a, b := <-reports, <-reports; a.ID != b.ID || a.Outcome != rotate.Rotated {
			t.Errorf("reports of two rotations: %v, %v", a, b)
		}
		if p.resets != 1 {
			t.Errorf("%d resets", p.resets)
		}
		settled(t, p)
	})
}

// TestVeto shows that a hook can stop a rotation before anything has happened.
func TestVeto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		veto := errors.New("not during settlement")
		report, err := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(_ context.Context, plan rotate.Plan) error {
				if plan.KeyID != keyID || len(plan.Sessions) != 6 {
					t.Errorf("plan: %+v", plan)
				}
				return veto
			}
		}).Rotate(t.Context())
		if !errors.Is(err, veto) || report.Outcome != rotate.Aborted || p.resets != 0 {
			t.Errorf("%v, %v, %d resets", err, report.Outcome, p.resets)
		}
		settled(t, p)
	})
}

// TestR11SessionsThatLostTheirConnection: sockets that the exchange closes come back at the gate, and wait for the new secret.
func TestR11SessionsThatLostTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.reply = func(raw string) string {
			for _, s := range p.sessions {
				s.closed, s.generation = true, 0
			}
			return raw
		}
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		settled(t, p)
	})
}

// TestDegraded: what a session refuses is told, and does not keep the others from the new secret.
func TestDegraded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.sessions[0].fault, p.sessions[3].fault = errDown, errDown
		report, err := p.rotator(t, nil).Rotate(t.Context())
		degraded, ok := errors.AsType[*rotate.DegradedError](err)
		if !ok || !slices.Equal(degraded.Sessions, []string{"s0", "s3"}) || !errors.Is(err, errDown) {
			t.Fatalf("error: %v", err)
		}
		if report.Outcome != rotate.Degraded || report.NewGeneration != 2 {
			t.Errorf("report: %v", report)
		}
		for i, s := range p.sessions {
			if want := uint64(2); i != 0 && i != 3 && s.Generation() != want {
				t.Errorf("%s is at %d", s.name, s.Generation())
			}
		}
		if p.keyring.IsShut() || p.record.Intent != nil || p.record.Lease.Owner != "" {
			t.Error("something is left open")
		}
	})
}

// TestLease: two rotators of one store do not reset at once, and a lease ends with its time.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		expires := time.Now().Add(time.Minute)
		p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 7, Expires: expires}
		_, err := p.rotator(t, nil).Rotate(t.Context())
		held, ok := errors.AsType[*rotate.LeaseHeldError](err)
		if !ok || held.Owner != "another" || !held.Expires.Equal(expires) {
			t.Fatalf("error: %v", err)
		}
		<-time.After(time.Minute)
		if _, err := p.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.record.Lease.Epoch != 8 {
			t.Errorf("epoch %d after 7", p.record.Lease.Epoch)
		}
		settled(t, p)
	})
}

// TestLeaseLost: who has lost the lease does not reset.
func TestLeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		_, err := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(context.Context, rotate.Plan) error {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.record.Lease = &rotate.Lease{Owner: "another", Epoch: 2, Expires: time.Now().Add(time.Hour)}
				return nil
			}
		}).Rotate(t.Context())
		if !errors.Is(err, rotate.ErrLeaseLost) || p.resets != 0 {
			t.Errorf("%v, %d resets", err, p.resets)
		}
		if p.keyring.IsShut() || p.record.Lease.Owner != "another" {
			t.Error("the loser has touched what is not its own")
		}
	})
}

// TestAdopt: what another process has rotated to is published, and the sessions take it.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		idle, busy := newProcess(w), newProcess(w)
		if _, err := busy.rotator(t, nil).Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		report, err := idle.rotator(t, nil).Recover(t.Context())
		if err != nil || report.Outcome != rotate.Recovered || report.KeyID != keyID || len(report.Sessions) != len(idle.sessions) {
			t.Fatalf("%v, %v", report, err)
		}
		if got := idle.keyring.Current().Generation; got != 2 {
			t.Errorf("generation %d", got)
		}
		settled(t, idle)
		if report, err = idle.rotator(t, nil).Recover(t.Context()); err != nil || report.Outcome != rotate.Unchanged {
			t.Errorf("once more: %v, %v", report, err)
		}
	})
}

// TestMismatch: a store of another key, or with another secret of the same generation, is refused.
func TestMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, change := range map[string]func(*rotate.Record){
			"client id": func(r *rotate.Record) { r.ClientID = "other" },
			"secret":    func(r *rotate.Record) { r.Current.Secret = session.NewSecret([]byte("CANARY-else")) },
			"key":       func(r *rotate.Record) { r.KeyID = 99 },
		} {
			p := newProcess(newWorld())
			r := p.rotator(t, func(cfg *rotate.Config) { cfg.KeyID = keyID })
			if _, err := r.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			change(p.record)
			if _, err := r.Rotate(t.Context()); !errors.Is(err, rotate.ErrMismatch) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
