package market

import (
	"encoding/json"
	"slices"
	"time"
)

// Event is one message of a stream: the data of a notification. Account 0 is a public stream.
type Event struct {
	Account int64
	Channel string
	Data    json.RawMessage
}

// source makes the messages of one family of streams.
type source interface {
	// note takes in what an operation did, and reports whether the stream has something to say. The account's part is nil
	// for public streams; both are nil when an index moved.
	note(r *report, part *accountReport) bool
	// messages returns what is to be said at now, oldest first.
	messages(now time.Time) []any
	// first returns what a new subscriber is told; nil if nothing.
	first(now time.Time) any
}

// stream is a channel that has subscribers.
type stream struct {
	streamKey
	channel

	source  source
	refs    int
	due     time.Time // before it, a stream with an interval is silent
	waiting bool      // it has something to say at due
}

type streamKey struct {
	account int64
	name    string
}

// Subscribe adds a subscriber to an account's stream; public streams belong to account 0. A name that is no channel is
// ignored.
func (m *Market) Subscribe(account int64, channel string) {
	key := streamKey{account, channel}
	if s, ok := m.streams[key]; ok {
		s.refs++
		return
	}
	c, ok := m.parse(channel)
	if !ok {
		return
	}
	s := &stream{streamKey: key, channel: c, refs: 1, source: m.source(account, c)}
	m.streams[key] = s
	for _, feeds := range m.followed(s) {
		*feeds = append(*feeds, s)
	}
}

// Unsubscribe takes a subscriber from a stream.
func (m *Market) Unsubscribe(account int64, channel string) {
	key := streamKey{account, channel}
	s, ok := m.streams[key]
	if !ok {
		return
	}
	if s.refs--; s.refs > 0 {
		return
	}
	delete(m.streams, key)
	gone := func(other *stream) bool { return other == s }
	for _, feeds := range m.followed(s) {
		*feeds = slices.DeleteFunc(*feeds, gone)
	}
	m.waiting = slices.DeleteFunc(m.waiting, gone)
}

// Snapshot returns the first message of a stream for a new subscriber; not ok where the stream has none.
func (m *Market) Snapshot(account int64, channel string, now time.Time) (data json.RawMessage, ok bool) {
	s, ok := m.streams[streamKey{account, channel}]
	if !ok {
		return nil, false
	}
	first := s.source.first(now)
	if first == nil {
		return nil, false
	}
	return encode(first), true
}

// Redundant returns the change of a book that its snapshot has in it already; not ok where there is none.
func (m *Market) Redundant(account int64, channel string) (data json.RawMessage, ok bool) {
	s, ok := m.streams[streamKey{account, channel}]
	if !ok {
		return nil, false
	}
	book, ok := s.source.(*bookSource)
	if !ok || book.last == nil {
		return nil, false
	}
	return encode(*book.last), true
}

// Drain returns the events since the last call, in order. They become the caller's.
func (m *Market) Drain() []Event {
	events := m.events
	m.events = nil
	return events
}

// followed are the lists in which a stream waits for news.
func (m *Market) followed(s *stream) []*[]*stream {
	switch {
	case s.private:
		return []*[]*stream{&m.account(s.account).feeds}
	case s.index != nil:
		return []*[]*stream{&s.index.feeds}
	case s.in != nil:
		return []*[]*stream{&s.in.feeds}
	case s.family != familyTrades:
		return nil
	}
	var lists []*[]*stream
	for _, in := range m.instruments {
		if s.follows(in) {
			lists = append(lists, &in.feeds)
		}
	}
	return lists
}

// publish tells the streams what an operation did.
func (m *Market) publish(r *report, now time.Time) {
	for _, s := range r.in.feeds {
		m.tell(s, s.source.note(r, nil), now)
	}
	for _, part := range r.accounts {
		for _, s := range part.account.feeds {
			if s.follows(r.in) {
				m.tell(s, s.source.note(r, part), now)
			}
		}
	}
}

// tell sends what a stream has to say, or lets it wait until it is due.
func (m *Market) tell(s *stream, news bool, now time.Time) {
	switch {
	case !news || s.waiting:
	case s.interval == 0:
		m.emit(s, now)
	default:
		s.waiting = true
		m.waiting = append(m.waiting, s)
	}
}

// flush sends what is due. A clock that was set back makes nobody wait longer than the interval.
func (m *Market) flush(now time.Time) {
	m.waiting = slices.DeleteFunc(m.waiting, func(s *stream) bool {
		if now.Before(s.due) && s.due.Sub(now) <= s.interval {
			return false
		}
		s.waiting, s.due = false, now.Add(s.interval)
		m.emit(s, now)
		return true
	})
}

func (m *Market) emit(s *stream, now time.Time) {
	for _, message := range s.source.messages(now) {
		m.events = append(m.events, Event{Account: s.account, Channel: s.name, Data: encode(message)})
	}
}

// encode returns the JSON text of a value of this package.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("market: encode: " + err.Error()) // a bug: every such value is plain data
	}
	return text
}
