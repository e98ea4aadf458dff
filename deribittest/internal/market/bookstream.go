package market

import (
	"time"
)

// bookMessage is a message of a book's channel. Each change is ["new"|"change"|"delete", price, amount].
type bookMessage struct {
	Type         string   `json:"type"`
	Timestamp    int64    `json:"timestamp"`
	Instrument   string   `json:"instrument_name"`
	ChangeID     int64    `json:"change_id"`
	PrevChangeID int64    `json:"prev_change_id,omitempty"`
	Bids         [][3]any `json:"bids"`
	Asks         [][3]any `json:"asks"`
}

// bookSource remembers the book as its subscribers know it, so that each message says exactly what changed since the last
// one, and a late subscriber's snapshot fits what comes next.
type bookSource struct {
	in         *instrument
	bids, asks []entry
	changeID   int64
	last       *bookMessage // that led to changeID, nil if none did
	spare      []entry
}

func newBookSource(in *instrument) *bookSource {
	return &bookSource{
		in: in, bids: in.book.bids.entries(nil), asks: in.book.asks.entries(nil), changeID: in.book.changeID,
	}
}

func (s *bookSource) note(*report, *accountReport) bool { return s.changeID != s.in.book.changeID }

func (s *bookSource) messages(now time.Time) []any {
	b := &s.in.book
	msg := bookMessage{
		Type: "change", Timestamp: now.UnixMilli(), Instrument: s.in.Name, ChangeID: b.changeID, PrevChangeID: s.changeID,
		Bids: s.follow(&s.bids, &b.bids), Asks: s.follow(&s.asks, &b.asks),
	}
	if len(msg.Bids)+len(msg.Asks) == 0 {
		return nil // nothing is left of the changes: the chain goes on from the last message
	}
	s.changeID, s.last = b.changeID, &msg
	return []any{msg}
}

func (s *bookSource) first(now time.Time) any {
	msg := bookMessage{
		Type: "snapshot", Timestamp: now.UnixMilli(), Instrument: s.in.Name, ChangeID: s.changeID,
		Bids: [][3]any{}, Asks: [][3]any{},
	}
	for _, e := range s.bids {
		msg.Bids = append(msg.Bids, s.in.change("new", e))
	}
	for _, e := range s.asks {
		msg.Asks = append(msg.Asks, s.in.change("new", e))
	}
	return msg
}

func (in *instrument) change(what string, e entry) [3]any {
	return [3]any{what, in.tick.value(e.ticks), in.lot.value(e.lots)}
}

// follow brings the known state of a side up to the present, and returns the changes. Both are sorted alike.
func (s *bookSource) follow(known *[]entry, l *ladder) [][3]any {
	before, after := *known, l.entries(s.spare)
	out := [][3]any{}
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && l.side.better(before[i].ticks, after[j].ticks):
			out = append(out, s.in.change("delete", entry{ticks: before[i].ticks}))
			i++
		case i == len(before) || l.side.better(after[j].ticks, before[i].ticks):
			out = append(out, s.in.change("new", after[j]))
			j++
		default:
			if before[i].lots != after[j].lots {
				out = append(out, s.in.change("change", after[j]))
			}
			i++
			j++
		}
	}
	*known, s.spare = after, before
	return out
}

// groupedMessage is a message of a grouped book, complete each time.
type groupedMessage struct {
	Timestamp  int64        `json:"timestamp"`
	Instrument string       `json:"instrument_name"`
	ChangeID   int64        `json:"change_id"`
	Bids       [][2]float64 `json:"bids"`
	Asks       [][2]float64 `json:"asks"`
}

func (in *instrument) groupedBook(group int64, depth int, now time.Time) groupedMessage {
	return groupedMessage{
		Timestamp: now.UnixMilli(), Instrument: in.Name, ChangeID: in.book.changeID,
		Bids: in.grouped(&in.book.bids, group, depth), Asks: in.grouped(&in.book.asks, group, depth),
	}
}

// grouped adds up levels by price, rounded away from the spread.
func (in *instrument) grouped(l *ladder, group int64, depth int) [][2]float64 {
	var sums []entry
	for i := range l.levels {
		ticks := l.levels[i].ticks / group * group
		if l.side == sell && ticks < l.levels[i].ticks {
			ticks += group
		}
		if n := len(sums); n > 0 && sums[n-1].ticks == ticks {
			sums[n-1].lots += l.levels[i].total
			continue
		}
		if len(sums) == depth {
			break
		}
		sums = append(sums, entry{ticks, l.levels[i].total})
	}
	out := make([][2]float64, 0, len(sums))
	for _, e := range sums {
		out = append(out, [2]float64{in.tick.value(e.ticks), in.lot.value(e.lots)})
	}
	return out
}
