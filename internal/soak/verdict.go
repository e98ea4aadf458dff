package main

import (
	"fmt"
	"sort"

	"github.com/holdfast-ws/holdfast/session"
)

// printed is the record of a channel, ready to find messages in it.
type printed struct {
	prints []Print
	at     map[uint64]int // by sum
	isBook bool
}

func newPrinted(channel string, prints []Print) (*printed, error) {
	p := &printed{prints: prints, at: make(map[uint64]int, len(prints)), isBook: isBook(channel)}
	for i, one := range prints {
		if _, twice := p.at[one.Sum]; twice {
			return nil, fmt.Errorf("soak: %s: two messages of the record are the same", channel)
		}
		p.at[one.Sum] = i
	}
	return p, nil
}

// before is the last message up to a change id, -1 for none.
func (p *printed) before(id int64) int {
	return sort.Search(len(p.prints), func(i int) bool { return p.prints[i].ID > id }) - 1
}

// verdict is what is right and wrong with streams.
type verdict struct {
	messages, snapshots int
	holes, missing      int // places where something is missing, and how much at least
	idle                int // markers, of lost connections and authority, where nothing was

	unannounced int // holes without a marker
	twice       int // markers of what was announced already, or of more than was dropped
	unfounded   int // markers of a kind that is only where something is missing, where nothing was
	again       int // messages that came before, or that others came before
	invented    int // messages that were never published
	tail        int // messages missing at the end
	example     string
}

// judging is a channel of a transcript on its way through the record.
type judging struct {
	*verdict
	*printed
	isNarrow bool
	began    bool
	last     int   // where in the record the stream is
	lastID   int64 // of a book
	pending  []*session.GapError
}

// judge holds a channel of a transcript against the record.
func (v *verdict) judge(t *transcript, channel string, p *printed) {
	j := &judging{verdict: v, printed: p, isNarrow: t.isNarrow, last: -1}
	was := v.wrong()
	for _, one := range t.of[channel] {
		switch one.kind {
		case lineMark:
			j.pending = append(j.pending, t.marks[one.value])
		case lineSnapshot:
			j.snapshot(int64(one.value)) //nolint:gosec // it was one
		case lineMessage:
			j.message(one.value)
		}
	}
	v.tail += len(p.prints) - 1 - j.last
	if v.wrong() > was {
		v.example = t.name + ", " + channel
	}
}

// wrong is how much is.
func (v *verdict) wrong() int {
	return v.unannounced + v.twice + v.unfounded + v.again + v.invented + v.tail
}

func (j *judging) message(sum uint64) {
	j.messages++
	at, isPublished := j.at[sum]
	switch {
	case !isPublished:
		j.invented++
		return
	case j.began && at <= j.last:
		j.again++
		return
	}
	one := j.prints[at]
	missing := at - j.last - 1
	if missing == 0 && j.isBook && one.Prev != j.lastID {
		missing = 1 // at least: the exchange lost it
	}
	j.arrive(at, one.ID, missing)
}

// snapshot takes what a book begins with. What it holds was not told as changes.
func (j *judging) snapshot(id int64) {
	j.snapshots++
	at := j.before(id)
	switch {
	case at < 0 || j.prints[at].ID != id && (at+1 == len(j.prints) || j.prints[at+1].Prev == j.prints[at].ID):
		j.invented++ // no book ever was like that: the record goes over it
		return
	case j.began && id < j.lastID:
		j.again++
		return
	}
	missing := at - j.last
	if missing == 0 && id > j.lastID {
		missing = 1 // that the exchange lost
	}
	j.arrive(at, id, missing)
}

// arrive judges the place before a message.
func (j *judging) arrive(at int, id int64, missing int) {
	if j.began {
		j.place(missing)
	}
	j.began, j.last, j.lastID, j.pending = true, at, id, nil
}

func (j *judging) place(missing int) {
	if missing > 0 {
		j.holes++
		j.missing += missing
		if len(j.pending) == 0 {
			j.unannounced++
		}
	}
	told := map[session.GapReason]bool{}
	dropped, others := 0, 0
	for _, gap := range j.pending {
		if gap.Reason == session.GapOverflow {
			dropped += int(gap.Missed) //nolint:gosec // a run is short
		} else {
			others++
		}
		switch isWhole := gap.Missed == 0; { // else it was merged with others
		case isWhole && told[gap.Reason]:
			j.twice++
		case missing > 0:
		case gap.Reason == session.GapReconnect, gap.Reason == session.GapResumed:
			j.idle++
		case gap.Reason != session.GapOverflow:
			j.unfounded++
		}
		// Between two breaks of a book is a snapshot. Lost connections are told by their epochs: see told.
		told[gap.Reason] = told[gap.Reason] || gap.Missed == 0 && (gap.Reason == session.GapSequence || gap.Reason == session.GapResync)
	}
	j.count(dropped, missing, others)
}

// count holds how many messages are said to be dropped against how many are missing. Of a book a snapshot may be among them,
// which the record does not have, and a wide stream has other channels.
func (j *judging) count(dropped, missing, others int) {
	switch {
	case !j.isNarrow || j.isBook:
	case dropped > missing:
		j.twice++
	case others == 0 && dropped < missing:
		j.unannounced++
	}
}
