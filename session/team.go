package session

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"time"
)

// team is one session of a group, or two that bring the same channels: those are its strands.
type team struct {
	group   *Group
	legs    []*Session
	strands int // of who is arranging

	// Each has one place: there may be something to do for tend, and of a pair for equip of each leg.
	woken      chan struct{}
	unequipped [2]chan struct{}

	// Of a pair. Whatever one of its two readers brings is seen to by one of them at a time.
	turn   turn
	seed   maphash.Seed
	pairs  map[*channel]*strand // of whose turn it is, as what follows
	room   room
	losses [2]uint64 // of a leg: how often messages of some channel may have been missing
}

func newTeam(g *Group, legs []*Session) *team {
	t := &team{
		group: g, legs: legs, woken: make(chan struct{}, 1), unequipped: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
		seed: maphash.MakeSeed(), pairs: map[*channel]*strand{}, room: room{maxKeptBytes},
	}
	t.turn.do = t.do
	return t
}

func (t *team) isPair() bool { return len(t.legs) == 2 }

// isLost reports whether no session brings anything any more.
func (t *team) isLost() bool {
	return !slices.ContainsFunc(t.legs, func(s *Session) bool { return !s.isEnding() })
}

// isEnding reports whether a session ends for good, or has: nobody subscribes on it any more.
func (s *Session) isEnding() bool { return s.ctx.Err() != nil }

// wake has it looked, soon, whether there is something to do for the legs of a pair.
func (t *team) wake() {
	for _, woken := range [...]chan struct{}{t.woken, t.unequipped[0], t.unequipped[1]} {
		select {
		case woken <- struct{}{}:
		default: // it has yet to be looked
		}
	}
}

// realignPause is how long after a failed attempt to align a leg the next one is made, if nothing else happens.
const realignPause = time.Second

// tend keeps the two legs of a pair in step.
func (t *team) tend(ctx context.Context) {
	retry := time.NewTimer(realignPause)
	defer retry.Stop()
	for {
		select {
		case <-t.woken:
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		if !t.isPair() {
			continue
		}
		t.resync()
		retry.Stop()
		for at := range t.legs {
			if err := t.align(at); err != nil {
				t.group.log(slog.LevelDebug, "a copy is not aligned yet", slog.String("session", t.legs[at].Name()), slog.Any("error", err))
				retry.Reset(realignPause)
			}
		}
	}
}

// in has f called when it is its turn, and waits for that.
func (t *team) in(f func()) {
	done := make(chan struct{})
	t.turn.take(turned{act: func() {
		f()
		close(done)
	}})
	<-done
}

// resync has books begin anew on legs that have brought changes and no snapshot since they may have missed something.
func (t *team) resync() {
	var due [2][]*strand
	t.in(func() {
		for _, st := range t.pairs {
			for at := range t.legs {
				if st.begs[at] == begging {
					st.begs[at] = begged
					due[at] = append(due[at], st)
				}
			}
		}
	})
	for at, strands := range due {
		for _, st := range strands {
			st.feeds[at].again()
		}
	}
}

var errMoved = errors.New("session: messages were missing meanwhile")

// align has what a leg brings deliver beside the other. It shows that what the exchange published before the leg had its channels
// has come over the other one, by a question that is answered behind it; with what the leg began with, which is how things stood
// then and which is told to nobody else, that is done with.
func (t *team) align(at int) error {
	var losses uint64
	var behind []*strand
	t.in(func() {
		losses = t.losses[at]
		for _, st := range t.pairs {
			if st.isBehind(at) {
				behind = append(behind, st)
			}
		}
	})
	own, other := t.legs[at].present(), t.legs[1-at].present()
	if len(behind) == 0 || own == nil {
		return nil // its session wakes this up when it is ready
	}
	step := func(f func(st *strand)) (err error) {
		t.in(func() {
			if err = errMoved; t.losses[at] == losses {
				err = nil
				for _, st := range behind {
					f(st)
				}
			}
		})
		return err
	}
	behind = slices.DeleteFunc(behind, func(st *strand) bool { return !t.legs[at].subs.isConfirmed(own.epoch, st.ch.name) })
	if err := step(func(st *strand) { st.join(at) }); err != nil || other == nil || len(behind) == 0 {
		return err
	}
	if err := own.question(t.group.ctx); err != nil {
		return err
	}
	if err := step(func(st *strand) { st.mark(at) }); err != nil {
		return err
	}
	if err := other.question(t.group.ctx); err != nil {
		return err
	}
	return step(func(st *strand) { st.vouch(at) })
}

// isConfirmed reports whether the connection of epoch has confirmed a channel.
func (r *registry) isConfirmed(epoch uint64, name string) bool {
	ch := r.find(name)
	return ch != nil && ch.isDesired() && ch.confirmed.Load() == epoch
}

// do is what the readers of a pair have seen to, one at a time.
func (t *team) do(next turned) {
	switch st := t.pairs[next.channel]; {
	case next.act != nil:
		next.act()
	case next.spilled:
		for _, st := range t.pairs {
			st.lose(next.leg, GapOverflow)
		}
	case st != nil:
		st.message(next.leg, next.data)
	}
}
