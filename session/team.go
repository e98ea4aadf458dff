package session

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// team is one session of a group, or two that bring the same channels: those are its strands.
type team struct {
	group   *Group
	legs    []*Session
	strands int // of who is arranging

	// Each has one place: there may be something to do for tend, and of a pair for alignAll and for equip of each leg.
	woken      chan struct{}
	uneven     chan struct{}
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
		group: g, legs: legs, woken: make(chan struct{}, 1), uneven: make(chan struct{}, 1),
		unequipped: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
		seed:       maphash.MakeSeed(), pairs: map[*channel]*strand{}, room: room{maxKeptBytes},
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
	for _, woken := range [...]chan struct{}{t.woken, t.uneven, t.unequipped[0], t.unequipped[1]} {
		signal(woken)
	}
}

func signal(one chan struct{}) {
	select {
	case one <- struct{}{}:
	default: // it has yet to be looked
	}
}

const (
	// overtakePause is for how long a notification may be under way behind an answer that has overtaken it. The exchange documents no order
	// of the two, and no bound.
	overtakePause = 250 * time.Millisecond
	// realignPause is how long after an attempt to align a leg the next one is made, if nothing else happens.
	realignPause = time.Second
	// standPause is how long after one that has changed nothing.
	standPause = 10 * time.Second
)

// tend keeps the two legs of a pair in step.
func (t *team) tend(ctx context.Context) {
	if !t.isPair() {
		return
	}
	var aligning sync.WaitGroup
	defer aligning.Wait()
	aligning.Go(func() { t.alignAll(ctx) })
	for {
		select {
		case <-t.woken:
		case <-ctx.Done():
			return
		}
		t.resync()
	}
}

// alignAll aligns the two legs of a pair whenever one may be behind.
func (t *team) alignAll(ctx context.Context) {
	retry := time.NewTimer(realignPause)
	defer retry.Stop()
	for {
		select {
		case <-t.uneven:
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		retry.Stop()
		soonest := time.Duration(0)
		for at := range t.legs {
			wait, err := t.align(ctx, at)
			if err != nil {
				t.group.log(slog.LevelDebug, "a copy is not aligned yet", slog.String("session", t.legs[at].Name()), slog.Any("error", err))
			}
			if wait > 0 && (soonest == 0 || wait < soonest) {
				soonest = wait
			}
		}
		if soonest > 0 {
			retry.Reset(soonest)
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

// look is an attempt to align what a leg brings with what the other does.
type look struct {
	team   *team
	at     int
	losses [2]uint64
	behind []*strand
	isNew  bool // some have only begun
}

// look finds out of which strands a leg is behind.
func (t *team) look(at int) *look {
	l := &look{team: t, at: at}
	t.in(func() {
		l.losses = t.losses
		for _, st := range t.pairs {
			if st.isBehind(at) {
				l.behind = append(l.behind, st)
				l.isNew = l.isNew || st.isNew(at)
			}
		}
	})
	return l
}

// each has f called for each strand that is behind, unless messages of the leg were missing meanwhile.
func (l *look) each(f func(st *strand)) (err error) {
	l.team.in(func() {
		if l.team.losses[l.at] != l.losses[l.at] {
			err = errMoved
			return
		}
		for _, st := range l.behind {
			f(st)
		}
	})
	return err
}

// align sees to the strands of which a leg is behind the other. It shows that what the leg has kept so far has come over the other one, too,
// by a question that is answered behind it, and a pause for what the answer has overtaken; but for what the leg began with, which is how
// things stood then and which is told to nobody else. If the other does not answer the leg goes on without it. It returns when to look
// again, 0 if nothing is left to do.
func (t *team) align(ctx context.Context, at int) (wait time.Duration, err error) {
	l := t.look(at)
	own, other := t.legs[at].present(), t.legs[1-at].present()
	if len(l.behind) == 0 || own == nil {
		return 0, nil // its session wakes this up when it is ready
	}
	l.behind = slices.DeleteFunc(l.behind, func(st *strand) bool { return !t.legs[at].subs.isConfirmed(own.epoch, st.ch.name) })
	if err := l.each(func(st *strand) { st.arbiter.join(at) }); err != nil || other == nil || len(l.behind) == 0 {
		return realignPause, err
	}
	if l.isNew {
		if err := own.question(ctx); err != nil {
			return realignPause, err
		}
	}
	if err := l.each(func(st *strand) { st.mark(at) }); err != nil {
		return realignPause, err
	}
	if !l.isNew { // the other may be about to bring it
		isOpen := false
		if err := pause(ctx); err != nil {
			return 0, err
		}
		if err := l.each(func(st *strand) { isOpen = isOpen || st.isUnheard(at) }); err != nil || !isOpen {
			return standPause, err
		}
	}
	if err := other.question(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			l.overtake()
		}
		return realignPause, err
	}
	if err := pause(ctx); err != nil {
		return 0, err
	}
	if wait = standPause; l.isNew {
		wait = realignPause
	}
	return wait, l.each(func(st *strand) { st.vouch(at) })
}

// pause is over when nothing is under way any more behind an answer.
func pause(ctx context.Context) error {
	select {
	case <-time.After(overtakePause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// overtake has a leg go on without the other, which does not answer, where nothing has come over that since before it was asked.
func (l *look) overtake() {
	t := l.team
	t.in(func() {
		if t.losses[1-l.at] != l.losses[1-l.at] {
			return // it was lost, which has been told
		}
		for _, st := range l.behind {
			if t.pairs[st.ch] == st && st.arbiter.legs[l.at].joined && st.isBehind(l.at) && !st.heard[l.at] {
				st.overtake(l.at)
			}
		}
	})
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
