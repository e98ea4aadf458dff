package session

import (
	"errors"
	"sync/atomic"
)

// strand brings one channel of a group over the sessions of its team, each of which feeds it.
type strand struct {
	team     *team
	ch       *channel // of the group's registry
	feeds    []*feed  // as the team's legs
	fed      atomic.Int32
	switches atomic.Uint64

	// Of a pair; of whose turn it is.
	arbiter arbiter
	begs    [2]beg
	marks   [2]uint64 // what the legs had kept at the mark
	heard   [2]bool   // whether the other leg has delivered since
	epoch   uint64    // counts the gaps
	last    int       // the leg that was the first to bring the last message
}

// beg is where a leg of a book stands that may have missed something: no change counts before its next snapshot.
type beg uint8

const (
	begun   beg = iota // with a snapshot
	bare               // its snapshot is on its way
	begging            // it has brought a change instead, and must be asked for one
	begged
)

// feed is a subscription of one session to the channel of a strand.
type feed struct {
	strand *strand
	at     int // the leg
	sub    *Subscription
}

// newStrand makes the strand of a channel, which nothing feeds yet.
func (t *team) newStrand(ch *channel) *strand {
	st := &strand{team: t, ch: ch, epoch: 1, begs: [2]beg{bare, bare}}
	st.arbiter = arbiter{rising: hasChangeIDs(ch.name), chained: ch.chain.isBook, room: &t.room, deliver: st.deliver}
	return st
}

// tie has the sessions feed the strand, from when they are ready on.
func (st *strand) tie() error {
	t := st.team
	if t.isPair() {
		t.turn.take(turned{act: func() { t.pairs[st.ch] = st }})
	}
	var err error
	for range t.legs { // before any is tied: it may end before the next is
		st.fed.Add(1)
	}
	for at, s := range t.legs {
		f := &feed{strand: st, at: at}
		f.sub = &Subscription{host: unobserved{s}, handler: f.bring, onGap: f.tell, names: []string{st.ch.name}, returned: true}
		if addErr := s.subs.add(f.sub); addErr != nil { // the session has ended: the other may live
			err = addErr
			f.sub.end(ErrUnsubscribed)
			st.fed.Add(-1)
		}
		st.feeds = append(st.feeds, f)
	}
	if st.fed.Load() == 0 {
		st.untie()
		return err
	}
	return nil
}

// untie ends the feeds, and returns what is to be taken back.
func (st *strand) untie() backlog {
	t := st.team
	b := backlog{}
	for at, f := range st.feeds {
		f.sub.end(ErrUnsubscribed)
		if unwanted := t.legs[at].subs.drop(f.sub, []string{st.ch.name}); len(unwanted) > 0 {
			b[t.legs[at]] = unwanted
		}
	}
	if t.isPair() {
		t.turn.take(turned{act: func() {
			for at := range t.legs {
				st.arbiter.leave(at)
			}
			delete(t.pairs, st.ch)
		}})
	}
	return b
}

// unobserved is the host of a feed: what a feed misses is no gap of anybody's yet.
type unobserved struct{ *Session }

func (unobserved) observeGap(*GapError) {}

// bring takes a notification of a session, on its reader's goroutine.
func (f *feed) bring(n Notification) {
	if st := f.strand; st.team.isPair() {
		st.team.turn.take(turned{leg: f.at, channel: st.ch, data: n.Data})
	} else {
		st.ch.epoch.Store(n.Epoch) // a loss has been told; what comes over another connection without one goes on
		st.ch.deliver(n.Epoch, n.Data)
	}
}

// tell is told of gaps, and why nothing more comes.
func (f *feed) tell(err error) {
	st := f.strand
	gap, isGap := errors.AsType[*GapError](err)
	reason := GapReconnect
	if isGap {
		reason = gap.Reason
	}
	switch {
	case !isGap && st.team.group.closing.Load(): // the streams end with it
		return
	case st.team.isPair():
		st.team.turn.take(turned{act: func() { st.lose(f.at, reason) }})
	case isGap:
		if st.ch.chain.isBook { // a snapshot comes next
			st.ch.chain.asked.Store(true)
			st.ch.chain.broken.Store(true)
		}
		st.ch.missed(reason, gap.Epoch)
	}
	if !isGap && st.fed.Add(-1) == 0 {
		st.team.group.refuse(st, err)
	}
}

// again has the feed's book begin anew.
func (f *feed) again() {
	if s := f.strand.team.legs[f.at]; s.subs.postpone(f.sub, f.strand.ch.name) {
		s.mend()
	}
}

// beginAnew has a book begin anew in the group's stream: for who came after its snapshot, or because its chain is broken.
func (st *strand) beginAnew() {
	t := st.team
	if !t.isPair() {
		st.feeds[0].again()
		return
	}
	t.turn.take(turned{act: func() {
		for at := range t.legs {
			st.leave(at)
			st.begs[at] = begging
		}
		st.arbiter.last = 0
		t.wake()
	}})
}

// What follows is of whose turn it is.

// message takes a message of a leg.
func (st *strand) message(at int, data []byte) {
	m, ok := portionOf(st.team.seed, st.ch, data)
	if !ok {
		return
	}
	if st.ch.chain.isBook && st.begs[at] != begun {
		if m.previous >= 0 {
			if st.begs[at] == bare {
				st.begs[at] = begging
				st.team.wake()
			}
			return
		}
		st.begs[at] = begun
	}
	if !st.arbiter.message(at, m) {
		st.lose(at, GapOverflow)
	}
	if x := &st.arbiter.legs[at]; len(x.kept) == 1 {
		signal(st.team.uneven) // if the other does not bring it
	}
}

// deliver hands a message on.
func (st *strand) deliver(at int, data []byte) {
	if at != st.last {
		st.last = at
		st.switches.Add(1)
	}
	st.heard[1-at] = true
	st.ch.deliver(st.epoch, data)
}

// lose is told that messages of a leg may be missing.
func (st *strand) lose(at int, reason GapReason) {
	isGap := st.leave(at)
	if isGap {
		st.miss(reason, 1-at)
	}
	st.arbiter.next()
	st.team.wake()
}

// overtake has a leg go on, after a gap, though the other one may have more to bring: nobody knows.
func (st *strand) overtake(at int) {
	st.arbiter.last = 0 // a book begins anew
	st.miss(GapReconnect, at)
	st.arbiter.takeOver(at)
	st.team.wake()
}

// miss tells of a gap, after which a leg goes on.
func (st *strand) miss(reason GapReason, at int) {
	st.ch.missed(reason, st.epoch)
	st.epoch++
	st.restart(at)
}

// restart has a leg of a book, which is to go on after a gap, wait for a snapshot if what it has kept does not begin with one.
func (st *strand) restart(at int) {
	if x := &st.arbiter.legs[at]; st.ch.chain.isBook && len(x.kept) > 0 && x.kept[0].previous >= 0 {
		st.arbiter.drop(x)
		st.begs[at] = begging
	}
}

// leave takes a leg away until it brings something again, and reports whether something may be missing in the stream.
func (st *strand) leave(at int) (isGap bool) {
	st.team.losses[at]++
	st.begs[at] = bare
	return st.arbiter.lose(at)
}

// isBehind reports whether a leg could not go on alone, or has something that waits for the other. A book's that has nothing kept can: its
// chain shows what is missing.
func (st *strand) isBehind(at int) bool {
	x := &st.arbiter.legs[at]
	return !x.aligned && (len(x.kept) > 0 || st.isNew(at))
}

// isNew reports whether it is not known yet what the leg had begun with.
func (st *strand) isNew(at int) bool { return !st.arbiter.legs[at].vouched && !st.ch.chain.isBook }

// mark notes how much of a leg was kept before the question that the other one is asked.
func (st *strand) mark(at int) {
	st.marks[at], st.heard[at] = st.arbiter.legs[at].keeps, false
}

// isUnheard reports whether the other leg has not been heard since the mark, and the leg had something then that waits for it.
func (st *strand) isUnheard(at int) bool {
	return st.isBehind(at) && !st.heard[at] && st.arbiter.legs[at].keptAt(st.marks[at]) > 0
}

// vouch is told that the other leg has answered since the mark, and that nothing is under way any more behind the answer. What a leg had
// before the mark the other has brought, unless it is told to nobody but who begins, which is the first message of a new leg: whether it
// is that is not known of one that came since, which is looked at again. If the other has brought nothing at all the channel is dead
// there, who knows since when. That is not found out by the first message of a new leg: should the other be lost before a second one
// comes, what came over neither is not told.
func (st *strand) vouch(at int) {
	x := &st.arbiter.legs[at]
	old, isNew := x.keptAt(st.marks[at]), st.isNew(at)
	switch {
	case !x.joined || x.aligned:
	case !st.heard[at] && (old > 1 || old > 0 && !isNew):
		st.overtake(at)
	case isNew && (old > 0 || len(x.kept) == 0):
		st.arbiter.dropFirst(x, old)
		st.arbiter.vouch(at)
	}
}
