package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// tally judges each stream by what the exchange numbers: the changes of a book by their ids, the trades of an instrument by theirs.
type tally struct {
	messages, gaps, broken map[string]int
	last                   map[string]int64
	ended                  int // channels that the exchange does not allow any more
	books                  *books
}

func newTally(answers <-chan answer) *tally {
	return &tally{
		messages: map[string]int{}, gaps: map[string]int{}, broken: map[string]int{}, last: map[string]int64{},
		books: newBooks(answers),
	}
}

func (t *tally) gap(gap *session.GapError) {
	t.gaps[gap.Channel]++
	if gap.Channel == "" { // all
		clear(t.last)
	}
	delete(t.last, gap.Channel) // what follows begins anew
	t.books.gap(gap.Channel)
}

func (t *tally) refused(refusal *session.SubscribeError) { t.ended += len(refusal.Refused) }

func (t *tally) message(n session.Notification) {
	t.messages[n.Channel]++
	switch {
	case strings.HasPrefix(n.Channel, "book."):
		var book struct {
			Type     string `json:"type"`
			Previous int64  `json:"prev_change_id"`
			ID       int64  `json:"change_id"`
		}
		t.follow(n, &book, func() (previous, id int64) {
			if book.Type == "snapshot" && t.gaps[n.Channel]+t.gaps[""] > 0 {
				return t.last[n.Channel], book.ID // it was asked for, and may come behind changes
			}
			return book.Previous, book.ID
		})
		t.books.message(n)
	case strings.HasPrefix(n.Channel, "trades."):
		var trades []struct {
			Sequence int64 `json:"trade_seq"`
		}
		t.follow(n, &trades, func() (previous, id int64) {
			if len(trades) == 0 {
				return -1, -1
			}
			return trades[0].Sequence - 1, trades[len(trades)-1].Sequence
		})
	}
}

// follow holds a message against the one before it in its channel.
func (t *tally) follow(n session.Notification, into any, ids func() (previous, id int64)) {
	if json.Unmarshal(n.Data, into) != nil {
		t.broken[n.Channel]++
		return
	}
	previous, id := ids()
	if last, ok := t.last[n.Channel]; ok && last != previous {
		t.broken[n.Channel]++
	}
	t.last[n.Channel] = id
}

// result sums up. Where something may be missing the stream says so by a gap: with one connection at a time broken there is no need for any.
func (t *tally) result(pair *session.Group, cuts uint64, took time.Duration) *result {
	r := &result{Seconds: took.Seconds(), Cuts: cuts, Whole: t.gaps[""]+t.ended == 0}
	for _, stats := range pair.Channels() {
		name := stats.Channel
		c := channel{
			Name: name, Messages: t.messages[name], Switches: stats.Switches,
			Gaps: t.gaps[name], Broken: t.broken[name], Sessions: stats.Sessions,
			Compared: t.books.compared[name], Wrong: t.books.wrong[name],
		}
		isQuiet := c.Messages == 0 && !strings.HasPrefix(name, "trades.")
		r.Whole = r.Whole && !isQuiet && c.Gaps == 0 && c.Broken == 0 && c.Wrong == 0
		r.Channels = append(r.Channels, c)
	}
	return r
}
