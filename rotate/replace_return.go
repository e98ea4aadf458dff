package rotate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// What becomes of a new key that somebody disables or removes while the old one still works, whose secret is in the store until it is
// removed.

// errNewRefused is a new key that is dead.
var errNewRefused = errors.New("the exchange refuses the new key")

// checkCurrent refuses what would end the old key while the new one may be dead.
func (r *replacement) checkCurrent(ctx context.Context) error {
	err := r.try(ctx, r.seen.Credentials())
	switch {
	case isRefused(err):
		return fmt.Errorf("%w: %w", errNewRefused, err)
	case err != nil:
		return fmt.Errorf("the new key could not be tried: %w", err)
	}
	return nil
}

// isToReturn reports whether the old key is to be the current one again, and says so. The new one is to be removed then, as the old one was.
func (r *replacement) isToReturn(ctx context.Context) bool {
	if !r.seen.Replacement.keepsOld() || !errors.Is(r.checkCurrent(ctx), errNewRefused) {
		return false
	}
	what := fmt.Sprintf("%v %d (%s), which somebody has disabled, removed or reset: the old one takes its place", errNewRefused, r.seen.KeyID, r.seen.ClientID)
	r.report.Warnings = append(r.report.Warnings, what)
	r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "rotation: back to the old key", slog.String("reason", what))
	return true
}
