package wirepeer

import (
	"bytes"
	"fmt"
	"strings"
)

// NotificationSize is the size of a notification's JSON in bytes, if its channel's name has no more than 39; its frame
// has 4 more.
const NotificationSize = 312

// digits is a change id as it stands in a message.
type digits [12]byte

var firstID = digits([]byte("100000000000"))

// increment adds one.
func (d *digits) increment() {
	for i := len(d) - 1; i >= 0; i-- {
		if d[i]++; d[i] <= '9' {
			return
		}
		d[i] = '0'
	}
}

// channel is one channel of a connection. It is small, so that thousands of them leave the processor's caches to others.
type channel struct {
	layout     *layout
	name       string
	id         digits // of the notification sent last
	subscribed bool
	begun      bool // with a snapshot, since it was subscribed to
}

// shape is what the layout of a channel's notifications depends on: the length of its name, and where in it the
// instrument is.
type shape struct{ length, from, to int }

func shapeOf(name string) shape {
	from := strings.IndexByte(name, '.') + 1
	to := strings.IndexByte(name[from:], '.')
	if to < 0 {
		return shape{len(name), from, len(name)}
	}
	return shape{len(name), from, from + to}
}

// layout is a notification's frame, with the places of what differs between the channels of one shape.
type layout struct {
	shape                            shape
	frame                            []byte
	name, previous, instrument, last int
	snapshot                         *layout // of the first one, which names none before it
}

func newLayout(name string, of shape) *layout {
	l := newLayoutOf("change", fmt.Sprintf(`"prev_change_id":%s,`, firstID), name, of)
	l.snapshot = newLayoutOf("snapshot", "", name, of)
	return l
}

func newLayoutOf(kind, previous, name string, of shape) *layout {
	notification := func(amount string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","method":"subscription","params":{"channel":"%s","data":{"type":"%s",`+
			`"timestamp":1791208330130,%s"instrument_name":"%s","change_id":%s,`+
			`"bids":[["change",2541.35,%s]],"asks":[]}}}`, name, kind, previous, name[of.from:of.to], firstID, amount)
	}
	text := notification("1")
	if pad := NotificationSize - len(text); pad > 0 {
		text = notification("1" + strings.Repeat("0", pad))
	}
	frame := append(appendHeader(nil, opText, len(text)), text...)
	after := func(key string) int { return bytes.Index(frame, []byte(key)) + len(key) }
	return &layout{
		shape: of, frame: frame,
		name: after(`"channel":"`), previous: after(`"prev_change_id":`),
		instrument: after(`"instrument_name":"`), last: after(`"change_id":`),
	}
}

// appendNext appends the channel's next notification, which names the last one as its predecessor; the first is a snapshot.
func (ch *channel) appendNext(dst []byte) []byte {
	l := ch.layout
	if !ch.begun {
		l = l.snapshot
	}
	at := len(dst)
	dst = append(dst, l.frame...)
	frame := dst[at:]
	copy(frame[l.name:], ch.name)
	copy(frame[l.instrument:], ch.name[l.shape.from:l.shape.to])
	if ch.begun {
		copy(frame[l.previous:], ch.id[:])
	}
	ch.begun = true
	ch.id.increment()
	copy(frame[l.last:], ch.id[:])
	return dst
}
