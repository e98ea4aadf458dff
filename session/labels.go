package session

import (
	"context"
	"runtime/pprof"
)

// labelProfile is the key of the pprof label that every goroutine of a session carries, with the session's name.
const labelProfile = "holdfast.session"

// labelled runs f with the session's label, which the goroutines that f starts inherit: profiles tell sessions apart.
func (s *Session) labelled(ctx context.Context, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(labelProfile, s.cfg.Name), f)
}
