package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ws/holdfast/rotate"
	"github.com/holdfast-ws/holdfast/session"
)

// TestNewer asks a keyring for credentials after a refusal: while a reset may yet be executed the refusal is not the last word.
func TestNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := session.Credentials{ClientID: clientID, Secret: session.NewSecret([]byte("1")), Generation: 1}
		second := session.Credentials{ClientID: clientID, Secret: session.NewSecret([]byte("2")), Generation: 2}
		k := rotate.NewKeyring(first)
		ask := func() <-chan uint64 {
			answer := make(chan uint64, 1)
			go func() {
				c, err := k.Newer(t.Context(), 1)
				if err != nil {
					t.Error(err)
				}
				answer <- c.Generation
			}()
			synctest.Wait()
			return answer
		}
		if got := <-ask(); got != 1 {
			t.Errorf("nothing is expected, got generation %d", got)
		}
		k.Expect(true)
		waits := ask()
		if len(waits) > 0 {
			t.Error("it did not wait, though a reset may be executed")
		}
		k.Expect(false) // it was not
		if got := <-waits; got != 1 {
			t.Errorf("got generation %d", got)
		}
		k.Expect(true)
		waits = ask()
		k.Shut() // it was
		synctest.Wait()
		if len(waits) > 0 {
			t.Error("the gate is shut")
		}
		k.PublishAndOpen(second)
		if got := <-waits; got != 2 {
			t.Errorf("got generation %d", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Newer(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestF8ExecutedLate has the exchange execute a reset long after its connection has ended, and meanwhile a session lose its
// connection: it waits for the new secret, and is not ended by a refusal.
func TestF8ExecutedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.revokes = true
		p.refuse = lostOnce()
		authority := newSecondKey(p)
		r := p.rotator(t, func(cfg *rotate.Config) { cfg.Authority = authority })
		time.AfterFunc(30*time.Second, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.record.Intent == nil {
				t.Error("R9: the reset may be executed, and there is no intent")
			}
			p.secret, p.epoch = "CANARY-late", p.epoch+1
		})
		refused := make(chan session.Credentials, 1)
		time.AfterFunc(31*time.Second, func() {
			creds, err := p.keyring.Newer(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
			refused <- creds
		})
		report, err := r.Rotate(t.Context())
		if err != nil || report.Outcome != rotate.Rotated {
			t.Fatalf("%v, %v", report, err)
		}
		if creds := <-refused; !creds.Secret.Equal(session.NewSecret([]byte(p.secret))) {
			t.Error("who was refused was given something else than the exchange's secret")
		}
		settled(t, p)
	})
}
