package rotate

import (
	"context"
	"slices"

	"github.com/holdfast-ws/holdfast/rotate/internal/core"
)

// catchUp has the sessions take the current secret, if one was left behind by a rotation. Those without a connection take it by
// themselves when they authenticate.
func (r *Rotator) catchUp(ctx context.Context, record Record) (Report, error) {
	current := r.cfg.Keyring.Current()
	behind := slices.ContainsFunc(r.cfg.Sessions(), func(s Session) bool {
		generation := s.Generation()
		return generation != 0 && generation < current.Generation
	})
	if !behind {
		return Report{
			Trigger: TriggerRecover, Outcome: Unchanged, KeyID: record.KeyID, ClientID: current.ClientID,
		}, nil
	}
	rest := r.newRotation(TriggerRecover, core.CatchUp)
	rest.keyID = record.KeyID
	rest.secret = Candidate{Secret: current.Secret, Generation: current.Generation}
	rest.old = rest.secret
	return rest.run(ctx)
}
