package rotate_test

import (
	"context"
	"testing"
	"testing/synctest"

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
