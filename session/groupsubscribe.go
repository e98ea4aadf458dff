package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Subscribe asks the exchange for channels, as [Session.Subscribe] does, and makes one stream of all. A channel stays where it is
// while anybody wants it: on those sessions that had fewest channels, of all that have not ended. Private channels are the first session's, as orders are, or
// the first pair's. A channel that several subscriptions of the group want is shared.
//
// Of a redundant pair, Subscribe asks both sessions, and returns when one has each channel, or when those that were ready have failed:
// the other one follows, as soon as it is ready and answers. The stream of a channel begins over the session that was the first to confirm
// it: what the other one brings waits until a message has come over both, for what was published before it may be under way over the first.
// From then on whichever is faster delivers. A book (book.INSTRUMENT.INTERVAL) begins at once, with whichever snapshot comes first. The
// stream holds a [*GapError] only where neither session can show that nothing is missing: where
// the second is lost before the first has caught up, say, or has not answered for CallTimeout when the first is back. A channel that
// one of the two is refused comes over the other, and the Logger is told.
//
// Each gap marker names its channel, but for overflow. A notification's Epoch counts the breaks of its channel where that comes
// over a pair. A Handler is called by the readers of all sessions: at once for channels of different sessions, or pairs, but for
// one after the other for those of the same.
func (g *Group) Subscribe(ctx context.Context, cfg SubscribeConfig, channels ...string) (*Subscription, error) {
	return subscribe(ctx, g, g.cfg.Credentials != nil, cfg, channels)
}

func (g *Group) registry() *registry { return g.subs }

// obtain implements host.
func (g *Group) obtain(ctx context.Context, names []string) error {
	wanted, err := g.arrange(names)
	if err != nil {
		return err
	}
	errs := make([]error, len(g.teams))
	var obtaining sync.WaitGroup
	for i, t := range g.teams {
		if len(wanted[t]) > 0 {
			obtaining.Go(func() { g.labelled(ctx, func(ctx context.Context) { errs[i] = t.obtain(ctx, wanted[t]) }) })
		}
	}
	obtaining.Wait()
	return joinRefusals(errs)
}

// joinRefusals makes one error of those of several sessions.
func joinRefusals(errs []error) error {
	var all *SubscribeError
	for _, err := range errs {
		refusal, isRefusal := errors.AsType[*SubscribeError](err)
		switch {
		case err == nil:
		case !isRefusal:
			return err
		case all == nil:
			all = &SubscribeError{Refused: slices.Clone(refusal.Refused), Err: refusal.Err}
		default:
			all.Refused = append(all.Refused, refusal.Refused...)
		}
	}
	if all == nil {
		return nil
	}
	slices.Sort(all.Refused)
	return all
}

// arrange sees to it that each channel that is wanted has a strand, and returns which team is to bring which.
func (g *Group) arrange(names []string) (wanted map[*team][]string, err error) {
	var leftover backlog
	g.arranging <- struct{}{}
	wanted = map[*team][]string{}
	for _, name := range names {
		ch := g.subs.find(name)
		if ch == nil {
			continue // its subscription has ended meanwhile
		}
		st := g.strands[name]
		if st != nil && (st.ch != ch || st.fed.Load() == 0) { // who had the channel before has left, and it has not been taken back yet, or is being refused
			leftover.add(g.cut(st))
			st = nil
		}
		if st == nil {
			if st, err = g.lay(ch); err != nil {
				break
			}
		}
		wanted[st.team] = append(wanted[st.team], name)
	}
	<-g.arranging
	g.settle(leftover)
	return wanted, err
}

// lay makes a strand of a channel, in the team that has the fewest of those that live.
func (g *Group) lay(ch *channel) (*strand, error) {
	t := g.teams[0]
	if !isPrivateChannel(ch.name) {
		for _, other := range g.teams[1:] {
			if t.isLost() || !other.isLost() && other.strands < t.strands {
				t = other
			}
		}
	}
	st := t.newStrand(ch)
	if err := st.tie(); err != nil {
		return nil, err
	}
	g.strands[ch.name] = st
	t.strands++
	return st, nil
}

// backlog is what is to be taken back from the exchange, by session.
type backlog map[*Session][]string

func (b *backlog) add(more backlog) {
	for s, names := range more {
		if *b == nil {
			*b = backlog{}
		}
		(*b)[s] = append((*b)[s], names...)
	}
}

// cut ends a strand, and returns what is to be taken back.
func (g *Group) cut(st *strand) backlog {
	delete(g.strands, st.ch.name)
	st.team.strands--
	return st.untie()
}

// settle takes channels back that nobody wants any more, in a while.
func (g *Group) settle(b backlog) {
	if len(b) == 0 {
		return
	}
	g.later(func(ctx context.Context) {
		if err := b.takeBack(ctx); err != nil {
			g.log(slog.LevelInfo, "unsubscribe", slog.Any("error", err))
		}
	})
}

func (b backlog) takeBack(ctx context.Context) error {
	var taking sync.WaitGroup
	var mu sync.Mutex // protects errs
	var errs []error
	for s, names := range b {
		l := s.live.Load()
		if l == nil {
			continue // the session resumes what is wanted alone
		}
		taking.Go(func() {
			s.labelled(ctx, func(ctx context.Context) {
				err := s.takeBack(ctx, l, names)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		})
	}
	taking.Wait()
	return errors.Join(errs...)
}

// release implements host.
func (g *Group) release(ctx context.Context, names []string) error {
	return g.prune(names).takeBack(ctx)
}

// prune ends the strands of channels that nobody wants any more, and returns what is to be taken back.
func (g *Group) prune(names []string) (b backlog) {
	g.arranging <- struct{}{}
	defer func() { <-g.arranging }()
	for _, name := range names {
		if st := g.strands[name]; st != nil && g.subs.find(name) != st.ch {
			b.add(g.cut(st))
		}
	}
	return b
}

// refuse takes a channel that no session brings any more off the subscriptions.
func (g *Group) refuse(st *strand, err error) {
	if refusal, isRefusal := errors.AsType[*SubscribeError](err); isRefusal {
		err = refusal.Err
	}
	g.log(slog.LevelWarn, "channel refused", slog.String("channel", st.ch.name), slog.Any("reason", err))
	g.subs.refuse([]string{st.ch.name}, err)
	g.settle(g.prune([]string{st.ch.name}))
}

// mend has books begin anew to which a snapshot is owed. It waits for nothing: readers call it.
func (g *Group) mend() {
	select {
	case g.broken <- struct{}{}:
	default: // they have yet to be looked for
	}
}

func (g *Group) mendBooks(ctx context.Context) {
	for {
		select {
		case <-g.broken:
		case <-ctx.Done():
			return
		}
		for _, st := range g.all() {
			if st.ch.chain.isOwed(len(st.ch.listeners.Load().late)) {
				st.beginAnew()
			}
		}
	}
}

// isOwed reports whether a book is owed a snapshot, for so many who came after the last, and none has been asked for.
func (c *chain) isOwed(late int) bool {
	return c.isBook && (c.broken.Load() || late > 0 && c.last.Load() != 0) && !c.asked.Swap(true)
}

// all are the strands, in the order of their channels.
func (g *Group) all() []*strand {
	g.arranging <- struct{}{}
	defer func() { <-g.arranging }()
	strands := make([]*strand, 0, len(g.strands))
	for _, st := range g.strands {
		strands = append(strands, st)
	}
	slices.SortFunc(strands, func(a, b *strand) int { return strings.Compare(a.ch.name, b.ch.name) })
	return strands
}

// GroupChannelStats are the counters of a channel of a group since it was subscribed to.
type GroupChannelStats struct {
	ChannelStats          // of the one stream
	Sessions     []string `json:"sessions"` // those that bring it, by name
	Switches     uint64   `json:"switches"` // how often another session than before was the first to bring a notification
}

// Channels returns the counters of each channel that the group is subscribed to, in the order of their names.
func (g *Group) Channels() []GroupChannelStats {
	strands := g.all()
	stats := make([]GroupChannelStats, 0, len(strands))
	for _, st := range strands {
		one := GroupChannelStats{ChannelStats: st.ch.stats(), Switches: st.switches.Load()}
		for at, s := range st.team.legs {
			if st.feeds[at].sub.Err() == nil { // else it was refused there, or that session has ended
				one.Sessions = append(one.Sessions, s.Name())
			}
		}
		stats = append(stats, one)
	}
	return stats
}
