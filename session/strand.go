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
	marked  [2]int // how much of what the leg's keeps it kept at the mark
	epoch   uint64 // counts the gaps
	last    int    // the leg that was the first to bring the last message
	apart   bool   // the two legs are told differently: one of them stands by
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
	for at, s := range t.legs {
		f := &feed{strand: st, at: at}
		f.sub = &Subscription{host: unobserved{s}, handler: f.bring, onGap: f.tell, names: []string{st.ch.name}}
		if addErr := s.subs.add(f.sub); addErr != nil { // the session has ended: the other may live
			err = addErr
			f.sub.finish(ErrUnsubscribed)
		} else {
			st.fed.Add(1)
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
		f.sub.finish(ErrUnsubscribed)
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
		st.apart = true
	}
	for at, x := range st.arbiter.legs {
		if x.aligned {
			st.marked[at] = 0
		}
	}
}

// deliver hands a message on.
func (st *strand) deliver(at int, data []byte) {
	if at != st.last {
		st.last = at
		st.switches.Add(1)
	}
	st.ch.deliver(st.epoch, data)
}

// lose is told that messages of a leg may be missing.
func (st *strand) lose(at int, reason GapReason) {
	isGap := st.leave(at)
	if isGap {
		st.ch.missed(reason, st.epoch)
		st.epoch++
		st.restart(1 - at)
	}
	st.arbiter.next()
	st.team.wake()
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
	st.begs[at], st.apart = bare, false
	return st.arbiter.lose(at)
}

// isBehind reports whether a leg does not deliver. A book's chain shows when it may: nobody need be asked.
func (st *strand) isBehind(at int) bool {
	return !st.arbiter.legs[at].aligned && !st.apart && !st.ch.chain.isBook
}

func (st *strand) join(at int) {
	st.marked[at] = 0
	st.arbiter.join(at)
}

// mark notes how much of a leg was kept before the question that the other one is asked.
func (st *strand) mark(at int) { st.marked[at] = len(st.arbiter.legs[at].kept) }

// vouch has a leg deliver that has been kept, but for what it had before the mark: the other has brought that, unless it is told to
// nobody but who begins.
func (st *strand) vouch(at int) {
	x := &st.arbiter.legs[at]
	if !x.joined || x.aligned {
		return
	}
	n := min(st.marked[at], len(x.kept))
	st.arbiter.giveBack(x.kept[:n])
	x.kept = x.kept[n:]
	st.arbiter.vouch(at)
}
