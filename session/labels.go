package session

import (
	"context"
	"runtime/pprof"
)

// Keys of the pprof labels that the goroutines of a session and of a group carry, with its name.
const (
	labelSession = "holdfast.session"
	labelGroup   = "holdfast.group"
)

// labelled runs f with a label, which the goroutines that f starts inherit: profiles tell sessions apart. Every goroutine that is started
// on a caller's begins with it.
func labelled(ctx context.Context, key, name string, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(key, name), f)
}

func (s *Session) labelled(ctx context.Context, f func(context.Context)) {
	labelled(ctx, labelSession, s.cfg.Name, f)
}

func (g *Group) labelled(ctx context.Context, f func(context.Context)) {
	labelled(ctx, labelGroup, g.cfg.Name, f)
}

// start runs f on a goroutine of the group.
func (g *Group) start(f func(context.Context)) {
	g.work.Go(func() { g.labelled(g.ctx, f) })
}
