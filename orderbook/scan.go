package orderbook

import "strconv"

// scanner reads a message as the exchange writes it, without allocating. It accepts less than encoding/json does, and
// nothing that encoding/json would read otherwise: it gives up at what is rare, as escapes, null, keys that it does not
// know or that come twice.
type scanner struct {
	text []byte
	pos  int
}

// The members of a message, as bits of those that were seen.
const (
	memberType = 1 << iota
	memberTimestamp
	memberInstrument
	memberChangeID
	memberPrevious
	memberBids
	memberAsks
)

// message reads all of the text; false means that it gave up.
func (s *scanner) message(m *message) bool {
	if !s.take('{') {
		return false
	}
	for seen := 0; ; {
		key, ok := s.word()
		if !ok || !s.take(':') {
			return false
		}
		member, ok := s.member(m, key)
		if !ok || seen&member != 0 {
			return false
		}
		seen |= member
		if s.take(',') {
			continue
		}
		m.hasID, m.hasPrevious = seen&memberChangeID != 0, seen&memberPrevious != 0
		return s.take('}') && s.peek() == 0 && s.pos == len(s.text)
	}
}

// member reads the value of a key.
func (s *scanner) member(m *message, key []byte) (member int, ok bool) {
	switch string(key) {
	case "type":
		m.kind, ok = s.word()
		return memberType, ok
	case "timestamp":
		m.timestamp, ok = s.integer()
		return memberTimestamp, ok
	case "instrument_name":
		m.instrument, ok = s.word()
		return memberInstrument, ok
	case "change_id":
		m.changeID, ok = s.integer()
		return memberChangeID, ok
	case "prev_change_id":
		m.previous, ok = s.integer()
		return memberPrevious, ok
	case "bids":
		m.bids, ok = s.levels(m, m.bids)
		return memberBids, ok
	case "asks":
		m.asks, ok = s.levels(m, m.asks)
		return memberAsks, ok
	}
	return 0, false
}

// levels appends the levels of one side.
func (s *scanner) levels(m *message, levels []Level) ([]Level, bool) {
	if !s.take('[') {
		return levels, false
	}
	if s.take(']') {
		return levels, true
	}
	for {
		level, ok := s.level(m)
		if !ok {
			return levels, false
		}
		levels = append(levels, level)
		if !s.take(',') {
			return levels, s.take(']')
		}
	}
}

func (s *scanner) level(m *message) (level Level, ok bool) {
	if !s.take('[') {
		return level, false
	}
	a := actionBare
	if s.peek() == '"' {
		name, _ := s.word()
		if a, ok = actionOf(name); !ok || !s.take(',') {
			return level, false
		}
	}
	price, ok := s.number()
	if !ok || !s.take(',') {
		return level, false
	}
	amount, ok := s.number()
	if !ok || amount < 0 || !s.take(']') {
		return level, false
	}
	return m.level(a, price, amount), true
}

// peek is the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch b := s.text[s.pos]; b {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return b
		}
	}
	return 0
}

// take passes a byte if it is the next one.
func (s *scanner) take(b byte) bool {
	if s.peek() != b {
		return false
	}
	s.pos++
	return true
}

// word reads a string of plain ASCII.
func (s *scanner) word() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for start := s.pos; s.pos < len(s.text); s.pos++ {
		switch b := s.text[s.pos]; {
		case b == '"':
			s.pos++
			return s.text[start : s.pos-1], true
		case b < ' ' || b > '~' || b == '\\':
			return nil, false
		}
	}
	return nil, false
}

// maxDigits is how many digits an int64 certainly holds.
const maxDigits = 18

// integer reads a number without sign, fraction and exponent.
func (s *scanner) integer() (n int64, ok bool) {
	s.peek()
	start := s.pos
	for _, b := range s.digits() {
		n = n*10 + int64(b-'0')
	}
	length := s.pos - start
	isPadded := length > 1 && s.text[start] == '0'
	isWhole := s.pos == len(s.text) || s.text[s.pos] != '.' && s.text[s.pos]|0x20 != 'e'
	return n, length > 0 && length <= maxDigits && !isPadded && isWhole
}

// number reads any number.
func (s *scanner) number() (float64, bool) {
	s.peek()
	start := s.pos
	s.pass('-', '-')
	whole := s.digits()
	ok := len(whole) == 1 || len(whole) > 1 && whole[0] != '0'
	if s.pass('.', '.') {
		ok = ok && len(s.digits()) > 0
	}
	if s.pass('e', 'E') {
		s.pass('+', '-')
		ok = ok && len(s.digits()) > 0
	}
	if !ok {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(s.text[start:s.pos]), 64)
	return x, err == nil
}

// digits passes digits.
func (s *scanner) digits() []byte {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.text[start:s.pos]
}

// pass passes one of two bytes if it comes at once.
func (s *scanner) pass(a, b byte) bool {
	if s.pos == len(s.text) || s.text[s.pos] != a && s.text[s.pos] != b {
		return false
	}
	s.pos++
	return true
}
