package orderbook

import (
	"context"
	"errors"
	"iter"

	"github.com/holdfast-ws/holdfast/session"
)

// Source is where [Follow] takes messages from: a [session.Subscription].
type Source interface {
	// Notifications is the stream of the books' messages, with errors in the place of what they tell of.
	Notifications(ctx context.Context) iter.Seq2[session.Notification, error]
	// Resync has a book's channel begin anew, with a snapshot, and returns at once.
	Resync(channel string) error
}

var _ Source = (*session.Subscription)(nil)

// Follow keeps books, by the names of their channels, while it is ranged over: from source until its stream ends, ctx
// ends, or the loop is left. Then all books are [Stale]. Other channels of source are passed over.
//
// Each round names the channel whose book has changed, with a nil error, or with why that book is [Stale]: an error of the
// stream, as a [*session.GapError], or of [Book.Apply]. The channel is empty if the error is about all of them; a
// [*session.SubscribeError] has a round for each of its channels. The last error before the loop ends by itself is why the stream
// has ended. Where a book misses changes and no snapshot is on its way, as after a [session.GapOverflow], Follow asks source for one.
//
// Give books a subscription of their own: a [session.GapResumed] of other raw channels beside them makes all of them stale.
//
// One goroutine may follow books; any may read them.
func Follow(ctx context.Context, source Source, books map[string]*Book) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f := follower{source: source, books: books, asked: map[string]bool{}, refused: map[string]bool{}}
		defer f.invalidate("")
		for n, err := range source.Notifications(ctx) {
			if err == nil {
				if isNews, err := f.apply(n); isNews && !yield(n.Channel, err) {
					return
				}
				continue
			}
			for _, channel := range f.doubt(err) {
				if !yield(channel, err) {
					return
				}
			}
		}
	}
}

type follower struct {
	source  Source
	books   map[string]*Book
	asked   map[string]bool // whose snapshot was asked for and has not come yet
	refused map[string]bool // of which nothing counts any more: what waited in the buffer comes after its refusal
}

// apply takes in a message, and reports whether there is anything to tell of it.
func (f *follower) apply(n session.Notification) (isNews bool, err error) {
	book := f.books[n.Channel]
	if book == nil || f.refused[n.Channel] {
		return false, nil
	}
	err = book.Apply(n.Data)
	_, isBroken := errors.AsType[*ChainError](err)
	switch {
	case err == nil:
		delete(f.asked, n.Channel)
		return true, nil
	case !isBroken && !errors.Is(err, ErrStale):
		delete(f.asked, n.Channel) // should it have been what was asked for, the next change asks again
		return true, err
	case f.asked[n.Channel]:
		return false, nil // it was in the buffer
	}
	f.asked[n.Channel] = true
	return true, errors.Join(err, f.source.Resync(n.Channel))
}

// doubt invalidates the books that an error of the stream is about, and returns their channels, an empty one for all.
func (f *follower) doubt(err error) (channels []string) {
	channels = []string{""}
	if refused, isRefused := errors.AsType[*session.SubscribeError](err); isRefused {
		channels = refused.Refused
		for _, channel := range channels {
			f.refused[channel] = true
		}
	} else if gap, isGap := errors.AsType[*session.GapError](err); isGap {
		channels[0] = gap.Channel
	}
	for _, channel := range channels {
		f.invalidate(channel)
	}
	return channels
}

// invalidate makes a channel's book stale, all if it is empty.
func (f *follower) invalidate(channel string) {
	for name, book := range f.books {
		if channel == "" || name == channel {
			book.Invalidate()
			delete(f.asked, name)
		}
	}
}
