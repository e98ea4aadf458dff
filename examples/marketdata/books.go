package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ws/holdfast/orderbook"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
)

// depth is how many levels of each side are compared.
const depth = 20

// answer is what the exchange says of a book when it is asked.
type answer struct {
	channel string
	book    orderbook.View
}

// ask asks the exchange for one book after the other until ctx ends, or it refuses for good.
func ask(ctx context.Context, pair *session.Group, opts options, answers chan<- answer) error {
	due := time.NewTicker(50 * time.Millisecond)
	defer due.Stop()
	for i := 0; ; i++ {
		select {
		case <-due.C:
		case <-ctx.Done():
			return nil
		}
		name := opts.instruments[i%len(opts.instruments)]
		result, err := pair.CallRaw(ctx, "public/get_order_book", map[string]any{"instrument_name": name, "depth": depth}, nil)
		if refused, isRefused := errors.AsType[*rpc.Error](err); isRefused && refused.Class() == rpc.ClassPermanent {
			return fmt.Errorf("the book of %s: %w", name, refused)
		}
		if err != nil {
			continue // its connection broke under it, credits have run out, or the exchange is busy: the next question is due soon
		}
		var book orderbook.Book
		if err := book.Apply(result); err != nil {
			return fmt.Errorf("the book of %s: %w", name, err)
		}
		select {
		case answers <- answer{"book." + name + "." + opts.interval, book.View(depth)}:
		case <-ctx.Done():
			return nil
		}
	}
}

// books are kept from the stream, and held against the exchange's answers wherever both are at the same change id.
type books struct {
	kept            map[string]*orderbook.Book
	answers         <-chan answer
	ahead           map[string]orderbook.View // answers that the stream has yet to reach
	compared, wrong map[string]int
}

func newBooks(answers <-chan answer) *books {
	return &books{
		kept: map[string]*orderbook.Book{}, answers: answers, ahead: map[string]orderbook.View{},
		compared: map[string]int{}, wrong: map[string]int{},
	}
}

// gap takes in that messages of a channel are missing, of all if it is empty.
func (b *books) gap(channel string) {
	for name, book := range b.kept {
		if channel == "" || name == channel {
			book.Invalidate()
		}
	}
}

// beginAnew asks for snapshots where the consumer was too slow: the exchange knows nothing of that, and sends none by itself. A gap of
// another reason has a snapshot behind it, which was dropped if anything was.
func beginAnew(sub *session.Subscription, gap *session.GapError, channels []string) error {
	if gap.Reason != session.GapOverflow && gap.Missed == 0 {
		return nil
	}
	for _, name := range channels {
		if strings.HasPrefix(name, "book.") && (gap.Channel == "" || name == gap.Channel) {
			if err := sub.Resync(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// message takes in a book's message. What the exchange has answered since the last is looked at before and after it.
func (b *books) message(n session.Notification) {
	select {
	case a := <-b.answers:
		b.ahead[a.channel] = a.book
		b.compare(a.channel)
	default:
	}
	book := b.kept[n.Channel]
	if book == nil {
		book = &orderbook.Book{}
		b.kept[n.Channel] = book
	}
	if err := book.Apply(n.Data); err != nil {
		if !errors.Is(err, orderbook.ErrStale) { // as it is behind a gap, until its snapshot
			b.wrong[n.Channel]++ // a whole stream has no such message
		}
		return
	}
	b.compare(n.Channel)
}

// compare holds a book against the answer for it, once the book is there.
func (b *books) compare(channel string) {
	book, theirs := b.kept[channel], b.ahead[channel]
	if book == nil || theirs.ChangeID == 0 {
		return
	}
	ours := book.View(depth)
	if ours.State != orderbook.Synced || ours.ChangeID < theirs.ChangeID {
		return // the stream has yet to come there
	}
	delete(b.ahead, channel)
	if ours.ChangeID > theirs.ChangeID {
		return // it passed by: over 100ms not every change id is seen
	}
	b.compared[channel]++
	if !slices.Equal(ours.Bids, theirs.Bids) || !slices.Equal(ours.Asks, theirs.Asks) {
		b.wrong[channel]++
	}
}
