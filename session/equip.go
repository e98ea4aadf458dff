package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
)

// Who subscribes to channels of a pair asks both sessions, and waits until one has each channel, or until those have failed that were ready.
// That the other one follows is for equip to see to.

// obtain returns when each channel is confirmed over one session.
func (t *team) obtain(ctx context.Context, names []string) error {
	if !t.isPair() {
		return t.legs[0].ensure(ctx, names)
	}
	answers := make(chan answer, len(t.legs))
	waiting, leave := context.WithCancel(ctx)
	defer leave()
	ready := slices.DeleteFunc(slices.Clone(t.legs), func(s *Session) bool { return !s.Ready() })
	for at, s := range t.legs {
		decides := len(ready) == 0 || slices.Contains(ready, s)
		if !t.group.later(func(context.Context) {
			lacks, err := t.solicit(waiting, at, names)
			answers <- answer{lacks, err, decides}
			if waiting.Err() != nil { // nobody looks at it any more
				t.wake()
			}
		}) {
			return ErrClosed
		}
	}
	err := firstOf(ctx, names, answers, cmp.Or(len(ready), len(t.legs)))
	leave()
	if err == nil {
		t.wake()
	}
	return err
}

// answer is what a session does not bring of what it was asked for.
type answer struct {
	lacks   []string
	err     error
	decides bool // it is waited for
}

// firstOf waits for so many answers that decide, until one session or another brings each of names.
func firstOf(ctx context.Context, names []string, answers <-chan answer, deciding int) (failed error) {
	lacking := names
	for deciding > 0 {
		select {
		case a := <-answers:
			if a.decides {
				deciding--
				failed = cmp.Or(failed, a.err)
			}
			if a.err == nil {
				lacking = slices.DeleteFunc(slices.Clone(lacking), func(n string) bool { return !slices.Contains(a.lacks, n) })
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(lacking) == 0 {
			return nil
		}
	}
	return cmp.Or(failed, error(&SubscribeError{Refused: lacking}))
}

// solicit asks for channels over whichever connection of a leg there is, and returns those that it does not bring. Who asked may leave
// before the answer, for which others may wait: it is waited for as long as the connection lives. What does not hold by then is asked for
// again while somebody waits: once another connection serves, or where a channel was had anew beside the question.
func (t *team) solicit(waiting context.Context, at int, names []string) (lacks []string, err error) {
	s := t.legs[at]
	for waiting.Err() == nil {
		l, err := s.waitLink(waiting)
		if err != nil {
			return nil, err
		}
		asking, over := within(context.WithoutCancel(waiting), l.ctx)
		refused, err := s.subscribe(asking, l, names)
		over()
		switch {
		case err == nil:
			lacks = append(refused, s.subs.unwanted(names)...) // equip may have been told first that they are refused
			if t.enter(at, l, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(lacks, n) })) {
				return lacks, nil
			}
		case s.isEnding() || l == s.present():
			return nil, err
		}
	}
	return nil, waiting.Err() // the rest is for equip
}

// enter has a leg take part from now on in what its connection has confirmed, so that its loss is told though nothing may have come, and
// that what comes late over it is not passed by: until a message has come over both, the other one's wait for it. A book begins with a
// snapshot, which is all of it, and waits for nobody. It reports false if the confirmation does not hold any more: the loss may have been
// told before.
func (t *team) enter(at int, l *link, names []string) (holds bool) {
	s := t.legs[at]
	t.in(func() {
		holds = l == s.present() && !slices.ContainsFunc(names, func(n string) bool { return !s.subs.isConfirmed(l.epoch, n) })
		for _, n := range names {
			if st := t.pairs[t.group.subs.find(n)]; holds && st != nil && !st.ch.chain.isBook {
				st.arbiter.join(at)
			}
		}
	})
	return holds
}

const (
	equipPause    = time.Second
	equipPauseMax = time.Minute
)

// equip has a leg of a pair bring all channels of the pair, whenever its session is ready: one that was subscribed to while it was not,
// or over which the exchange did not answer.
func (t *team) equip(ctx context.Context, at int) {
	pause := retry.Backoff(equipPause, equipPauseMax)
	for {
		select {
		case <-t.unequipped[at]:
		case <-ctx.Done():
			return
		}
		err := t.complete(ctx, at)
		if err == nil {
			pause.Reset()
			continue
		}
		t.group.log(slog.LevelInfo, "a copy lacks channels", slog.String("session", t.legs[at].Name()), slog.Any("error", err))
		again := time.NewTimer(pause.NextBackOff())
		select {
		case <-again.C:
			t.wake()
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// complete asks for what a leg lacks, if its session is ready. A channel that the exchange refuses comes over the other leg alone.
func (t *team) complete(ctx context.Context, at int) error {
	s := t.legs[at]
	l := s.ready()
	if l == nil {
		return nil // its session wakes this up when it is
	}
	var names []string
	t.in(func() {
		for ch := range t.pairs {
			names = append(names, ch.name)
		}
	})
	if names = s.subs.missing(l.epoch, names); len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	asking, over := within(ctx, l.ctx)
	defer over()
	if err := l.holdSubscribing(asking); errors.Is(err, errLeft) {
		return nil // the connection that has taken over has them
	} else if err != nil {
		return err
	}
	defer l.releaseSubscribing()
	missing := func(names []string) []string { return s.subs.missing(l.epoch, names) }
	if err := s.giveUp(asking, l, l.served.of(missing(names))); err != nil {
		return err
	}
	_, err := s.regain(asking, l, names, missing, s.refuseLeftOut)
	if err == nil {
		t.wake() // to have them aligned
	}
	return err
}
