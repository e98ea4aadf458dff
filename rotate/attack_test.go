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

// TestSessionThatCameMeanwhile is dialed with the old secret after the rotation has looked at the fleet: it is brought to the
// new one like all others.
func TestSessionThatCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Sessions = func() []rotate.Session { return rotate.Fleet(p.sessions...)() }
			cfg.Hooks.BeforeReset = func(context.Context, rotate.Plan) error {
				p.sessions = append(p.sessions, &fakeSession{process: p, name: "late", generation: 1})
				return nil
			}
		})
		report, err := r.Rotate(t.Context())
		if err != nil || len(report.Sessions) != 7 {
			t.Errorf("%v, %d sessions in the report", err, len(report.Sessions))
		}
		settled(t, p)
	})
}

// TestPublishedMeanwhile has a person publish a secret while a rotation is under way: the rotation's reset makes it a dead one,
// which must not stay in the keyring.
func TestPublishedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		r := p.rotator(t, func(cfg *rotate.Config) {
			cfg.Hooks.BeforeReset = func(context.Context, rotate.Plan) error {
				for _, s := range p.sessions {
					s.generation = 2
				}
				return p.keyring.Publish(session.Credentials{
					ClientID: clientID, Secret: session.NewSecret([]byte("CANARY-by-hand")), Generation: 2,
				})
			}
		})
		if _, err := r.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		settled(t, p)
	})
}

// TestAnotherKeysSecretIsHandedOn has a wrong Config.KeyID reset another key: nobody else knows that one's new secret.
func TestAnotherKeysSecretIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.list = func(map[string]any) (string, error) {
			return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
		}
		const other, word = 4, "CANARY-another"
		p.refuse = func(map[string]any) (string, error) { return keyJSON("another", other, word), nil }
		var given []rotate.APIKey
		_, err := p.rotator(t, func(cfg *rotate.Config) {
			cfg.KeyID = other
			cfg.Hooks.OnUnsaved = func(_ context.Context, key rotate.APIKey, _ error) { given = append(given, key) }
		}).Rotate(t.Context())
		unsaved, ok := errors.AsType[*rotate.UnsavedError](err)
		if !ok || string(unsaved.Key.Secret.Reveal()) != word || !errors.Is(err, rotate.ErrReply) || errors.Is(err, rotate.ErrNotExecuted) {
			t.Errorf("%v, want the other key's secret in the error, and no advice to rotate again", err)
		}
		if len(given) != 1 || string(given[0].Secret.Reveal()) != word {
			t.Errorf("OnUnsaved was given %v", given)
		}
		hidden(t, "error", printAll(t, err))
		settled(t, p)
	})
}

// TestAnotherKeysSecretAsTheRotatorIsClosed: OnUnsaved has time to put it somewhere, though who closes the Rotator meanwhile has none.
func TestAnotherKeysSecretAsTheRotatorIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(newWorld())
		p.list = func(map[string]any) (string, error) {
			return `{"security_key_authorization_required":true,"challenge":"CANARY-challenge"}`, nil
		}
		const other = 4
		var r *rotate.Rotator
		closed := make(chan error, 1)
		p.refuse = func(map[string]any) (string, error) {
			ended, end := context.WithCancel(t.Context())
			end()
			go func() { closed <- r.Close(ended) }()
			synctest.Wait()
			return keyJSON("another", other, "CANARY-another"), nil
		}
		saved := 0
		r = p.rotator(t, func(cfg *rotate.Config) {
			cfg.KeyID = other
			cfg.Hooks.OnUnsaved = func(ctx context.Context, _ rotate.APIKey, _ error) {
				select {
				case <-time.After(time.Second): // it is put somewhere
					saved++
				case <-ctx.Done():
				}
			}
		})
		if _, err := r.Rotate(t.Context()); !isA[*rotate.UnsavedError](err) {
			t.Errorf("Rotate: %v", err)
		}
		if err := <-closed; !errors.Is(err, context.Canceled) || saved != 1 {
			t.Errorf("Close: %v; saved %d times", err, saved)
		}
	})
}
