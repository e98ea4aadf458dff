package wirepeer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// NotificationSize is the size of a notification's JSON in bytes, if its channel's name has no more than 39; its frame
// has 4 more.
const NotificationSize = 312

var errNoChannels = errors.New("no channels to stream")

// digits is a change id as it stands in a message.
type digits [12]byte

// increment adds one.
func (d *digits) increment() {
	for i := len(d) - 1; i >= 0; i-- {
		if d[i]++; d[i] <= '9' {
			return
		}
		d[i] = '0'
	}
}

// channel is one channel of a connection, with its next notification's frame.
type channel struct {
	subscribed     bool
	frame          []byte
	previous, last int    // where its change ids stand in frame
	id             digits // of the notification sent last
}

// book is the channels of a connection.
type book struct {
	known      map[string]*channel // all that were ever named
	subscribed []*channel          // in this order
	piece      []byte              // of the stream
}

func (b *book) channel(name []byte) *channel {
	ch := b.known[string(name)]
	if ch == nil {
		if b.known == nil {
			b.known = map[string]*channel{}
		}
		ch = newChannel(string(name))
		b.known[string(name)] = ch
	}
	return ch
}

func (b *book) add(names iter.Seq[[]byte]) {
	for name := range names {
		if ch := b.channel(name); !ch.subscribed {
			ch.subscribed = true
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

// appendNext appends the channel's next notification, which names the last one as its predecessor.
func (ch *channel) appendNext(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, ch.frame...)
	copy(dst[at+ch.previous:], ch.id[:])
	ch.id.increment()
	copy(dst[at+ch.last:], ch.id[:])
	return dst
}

func newChannel(name string) *channel {
	const first = "100000000000"
	_, instrument, _ := strings.Cut(name, ".")
	instrument, _, _ = strings.Cut(instrument, ".")
	notification := func(amount string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":%q,"data":{"type":"change",`+
			`"timestamp":1791208330130,"prev_change_id":%s,"instrument_name":%q,"change_id":%s,`+
			`"bids":[["change",2541.35,%s]],"asks":[]}}}`, name, first, instrument, first, amount)
	}
	text := notification("1")
	if pad := NotificationSize - len(text); pad > 0 {
		text = notification("1" + strings.Repeat("0", pad))
	}
	ch := &channel{id: digits([]byte(first)), frame: append(appendHeader(nil, opText, len(text)), text...)}
	ch.previous = after(ch.frame, `"prev_change_id":`)
	ch.last = after(ch.frame, `"change_id":`)
	return ch
}

func after(b []byte, key string) int { return bytes.Index(b, []byte(key)) + len(key) }
