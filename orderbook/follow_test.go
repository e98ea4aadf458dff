package orderbook_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/session"
)

// played is a Source that plays a stream: notifications and errors.
type played struct {
	stream []any
	asked  []string
	refuse error
}

func (p *played) Notifications(context.Context) iter.Seq2[session.Notification, error] {
	return func(yield func(session.Notification, error) bool) {
		for _, e := range p.stream {
			n, _ := e.(session.Notification)
			err, _ := e.(error)
			if !yield(n, err) {
				return
			}
		}
	}
}

// Resync implements orderbook.Source.
func (p *played) Resync(channel string) error {
	p.asked = append(p.asked, channel)
	return p.refuse
}

const (
	channelA = "book.A.raw"
	channelB = "book.B.raw"
)

// full and delta are a snapshot and a change.
func full(channel string, id int) session.Notification {
	return notification(channel, `{"change_id":%d,"bids":[["new",1,%d]]}`, id, id)
}

func delta(channel string, previous, id int) session.Notification {
	return notification(channel, `{"change_id":%d,"prev_change_id":%d,"bids":[["change",1,%d]]}`, id, previous, id)
}

func notification(channel, format string, args ...any) session.Notification {
	return session.Notification{Channel: channel, Data: fmt.Appendf(nil, format, args...)}
}

// followed is what a loop over Follow sees: the channel, the error, and the books' states after it.
func followed(t *testing.T, p *played) (rounds []string, books map[string]*orderbook.Book) {
	t.Helper()
	books = map[string]*orderbook.Book{channelA: {}, channelB: {}}
	for channel, err := range orderbook.Follow(t.Context(), p, books) {
		name := strings.TrimSuffix(strings.TrimPrefix(channel, "book."), ".raw")
		round := fmt.Sprintf("%s %s/%s", name, shown(books[channelA]), shown(books[channelB]))
		if err != nil {
			round += ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		rounds = append(rounds, round)
	}
	return rounds, books
}

func TestFollow(t *testing.T) {
	t.Parallel()
	sequence := &session.GapError{Reason: session.GapSequence, Channel: channelA}
	reconnect := &session.GapError{Reason: session.GapReconnect}
	overflow := &session.GapError{Reason: session.GapOverflow, Missed: 3}
	for _, c := range []struct {
		name   string
		stream []any
		want   []string
		asked  []string
	}{
		{"books and others", []any{full(channelA, 1), full(channelB, 5), notification("ticker.A.raw", "{}"), delta(channelA, 1, 2)}, []string{
			"A 1: 1x1 |/stale", "B 1: 1x1 |/5: 5x1 |", "A 2: 2x1 |/5: 5x1 |",
		}, nil},
		{"a gap of one book, whose snapshot comes", []any{full(channelA, 1), full(channelB, 5), sequence, full(channelA, 9)}, []string{
			"A 1: 1x1 |/stale", "B 1: 1x1 |/5: 5x1 |", "A stale/5: 5x1 |: " + sequence.Error(), "A 9: 9x1 |/5: 5x1 |",
		}, nil},
		{"a gap of all", []any{full(channelA, 1), reconnect, full(channelB, 9)}, []string{
			"A 1: 1x1 |/stale", " stale/stale: " + reconnect.Error(), "B stale/9: 9x1 |",
		}, nil},
		{"an overflow, and what was in the buffer", []any{
			full(channelA, 1), overflow, delta(channelA, 4, 5), delta(channelA, 5, 6), full(channelA, 6), delta(channelA, 6, 7),
		}, []string{
			"A 1: 1x1 |/stale", " stale/stale: " + overflow.Error(), "A stale/stale: " + orderbook.ErrStale.Error(),
			"A 6: 6x1 |/stale", "A 7: 7x1 |/stale",
		}, []string{channelA}},
		{"an overflow that takes the snapshot", []any{delta(channelA, 4, 5), overflow, delta(channelA, 8, 9)}, []string{
			"A stale/stale: " + orderbook.ErrStale.Error(), " stale/stale: " + overflow.Error(), "A stale/stale: " + orderbook.ErrStale.Error(),
		}, []string{channelA, channelA}},
		{"a break that nobody marked", []any{full(channelA, 1), delta(channelA, 3, 4), delta(channelA, 4, 5)}, []string{
			"A 1: 1x1 |/stale", "A stale/stale: orderbook: chain: change 4 follows 3, but the last was 1",
		}, []string{channelA}},
		{"what is no message, and a change", []any{full(channelA, 1), notification(channelA, "[]"), delta(channelA, 1, 2)}, []string{
			"A 1: 1x1 |/stale", "A stale/stale: orderbook: message: a member has another type than it should have",
			"A stale/stale: " + orderbook.ErrStale.Error(),
		}, []string{channelA}},
		{"a snapshot that was asked for and is no message", []any{
			full(channelA, 1), overflow, delta(channelA, 4, 5), notification(channelA, "[]"), delta(channelA, 5, 6), full(channelA, 6),
		}, []string{
			"A 1: 1x1 |/stale", " stale/stale: " + overflow.Error(), "A stale/stale: " + orderbook.ErrStale.Error(),
			"A stale/stale: orderbook: message: a member has another type than it should have",
			"A stale/stale: " + orderbook.ErrStale.Error(), "A 6: 6x1 |/stale",
		}, []string{channelA, channelA}},
		{"a refused channel", []any{full(channelA, 1), full(channelB, 5), &session.SubscribeError{Refused: []string{channelB}}}, []string{
			"A 1: 1x1 |/stale", "B 1: 1x1 |/5: 5x1 |", "B 1: 1x1 |/stale: " + (&session.SubscribeError{Refused: []string{channelB}}).Error(),
		}, nil},
		{"refused channels", []any{full(channelA, 1), &session.SubscribeError{Refused: []string{channelA, channelB}}}, []string{
			"A 1: 1x1 |/stale", "A stale/stale: " + (&session.SubscribeError{Refused: []string{channelA, channelB}}).Error(),
			"B stale/stale: " + (&session.SubscribeError{Refused: []string{channelA, channelB}}).Error(),
		}, nil},
		{"a refused channel of which messages wait, and a gap", []any{
			full(channelA, 1), full(channelB, 5), &session.SubscribeError{Refused: []string{channelB}}, full(channelB, 6), reconnect,
			full(channelB, 7), full(channelA, 2),
		}, []string{
			"A 1: 1x1 |/stale", "B 1: 1x1 |/5: 5x1 |", "B 1: 1x1 |/stale: " + (&session.SubscribeError{Refused: []string{channelB}}).Error(),
			" stale/stale: " + reconnect.Error(), "A 2: 2x1 |/stale",
		}, nil},
		{"the end", []any{full(channelA, 1), session.ErrClosed}, []string{
			"A 1: 1x1 |/stale", " stale/stale: " + session.ErrClosed.Error(),
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &played{stream: c.stream}
			rounds, books := followed(t, p)
			if !slices.Equal(rounds, c.want) || !slices.Equal(p.asked, c.asked) {
				t.Errorf("rounds %q, asked %q, want\n%q, %q", rounds, p.asked, c.want, c.asked)
			}
			if shown(books[channelA]) != "stale" || shown(books[channelB]) != "stale" {
				t.Error("when nobody follows, a book is not stale")
			}
		})
	}
}

func TestFollowTellsWhyItCannotAsk(t *testing.T) {
	t.Parallel()
	p := &played{stream: []any{delta(channelA, 1, 2)}, refuse: session.ErrConfig}
	for _, err := range orderbook.Follow(t.Context(), p, map[string]*orderbook.Book{channelA: {}}) {
		if !errors.Is(err, orderbook.ErrStale) || !errors.Is(err, session.ErrConfig) {
			t.Error(err)
		}
	}
}

func TestFollowIsLeft(t *testing.T) {
	t.Parallel()
	var book orderbook.Book
	p := &played{stream: []any{full(channelA, 1), full(channelA, 2)}}
	rounds := 0
	for range orderbook.Follow(t.Context(), p, map[string]*orderbook.Book{channelA: &book}) {
		if rounds++; book.State() != orderbook.Synced {
			t.Error("stale inside the loop")
		}
		break
	}
	if rounds != 1 || book.State() != orderbook.Stale {
		t.Errorf("%d rounds, then the book is %v", rounds, book.State())
	}
}
