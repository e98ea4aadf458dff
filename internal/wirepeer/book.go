package wirepeer

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
)

var errNoChannels = errors.New("no channels to stream")

// book is the channels of a connection.
type book struct {
	known      map[string]*channel // all that were ever named
	shapes     map[shape]*layout   // of their notifications
	subscribed []*channel          // in this order
	piece      []byte              // of the stream
}

func (b *book) channel(name []byte) *channel {
	ch := b.known[string(name)]
	if ch == nil {
		if b.known == nil {
			b.known, b.shapes = map[string]*channel{}, map[shape]*layout{}
		}
		ch = b.newChannel(string(name))
		b.known[ch.name] = ch
	}
	return ch
}

func (b *book) newChannel(name string) *channel {
	of := shapeOf(name)
	if b.shapes[of] == nil {
		b.shapes[of] = newLayout(name, of)
	}
	return &channel{layout: b.shapes[of], name: name, id: firstID}
}

func (b *book) add(names iter.Seq[[]byte]) {
	for name := range names {
		if ch := b.channel(name); !ch.subscribed {
			ch.subscribed, ch.begun = true, false
			b.subscribed = append(b.subscribed, ch)
		}
	}
}

func (b *book) remove(names iter.Seq[[]byte]) {
	for name := range names {
		b.channel(name).subscribed = false
	}
	b.subscribed = slices.DeleteFunc(b.subscribed, func(ch *channel) bool { return !ch.subscribed })
}

// pick returns the channels that a request names, or the first so many that are subscribed.
func (b *book) pick(asked []byte) ([]*channel, error) {
	var picked []*channel
	for name := range names(asked) {
		picked = append(picked, b.channel(name))
	}
	if first, err := strconv.Atoi(string(asked)); err == nil {
		picked = b.subscribed[:max(0, min(first, len(b.subscribed)))]
	}
	if len(picked) == 0 {
		return nil, errNoChannels
	}
	return picked, nil
}

// stream writes count notifications, one for each of channels in turn.
func (b *book) stream(w io.Writer, channels []*channel, count int) error {
	piece := b.piece[:0]
	for i := range count {
		piece = channels[i%len(channels)].appendNext(piece)
		if len(piece) > pieceSize-NotificationSize || i == count-1 {
			if _, err := w.Write(piece); err != nil {
				return err
			}
			piece = piece[:0]
		}
	}
	b.piece = piece
	return nil
}
