package rpc

import "errors"

// errSyntax is a text that is not JSON, or nested too deeply. It never quotes the text.
var (
	errSyntax = errors.New("not JSON")
	errDepth  = errors.New("nested too deeply")
)

// scanner walks over JSON without decoding it. It accepts what json.Valid accepts, invalid UTF-8 inside strings included.
type scanner struct {
	text  []byte
	pos   int
	depth int // levels that may still be opened
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

func (s *scanner) expect(b byte) error {
	if s.peek() != b {
		return errSyntax
	}
	s.pos++
	return nil
}

// value skips a value and returns its text.
func (s *scanner) value() ([]byte, error) {
	first := s.peek()
	start := s.pos
	err := s.skip(first)
	return s.text[start:s.pos], err
}

func (s *scanner) skip(first byte) error {
	switch first {
	case '"':
		return s.str()
	case '{', '[':
		return s.composite(first)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(word string) error {
	end := s.pos + len(word)
	if end > len(s.text) || string(s.text[s.pos:end]) != word {
		return errSyntax
	}
	s.pos = end
	return nil
}

// composite skips an object or an array.
func (s *scanner) composite(open byte) error {
	end := open + 2 // of '{' and of '['
	if err := s.enter(open); err != nil {
		return err
	}
	if s.leave(end) {
		return nil
	}
	for {
		if open == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.skip(s.peek()); err != nil {
			return err
		}
		if s.leave(end) {
			return nil
		}
		if err := s.expect(','); err != nil {
			return err
		}
	}
}

// object reads an object: member is called after each key and passes its value. A key comes with its quotes.
func (s *scanner) object(member func(key []byte) error) error {
	if err := s.enter('{'); err != nil {
		return err
	}
	if s.leave('}') {
		return nil
	}
	for {
		key, err := s.key()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.leave('}') {
			return nil
		}
		if err := s.expect(','); err != nil {
			return err
		}
	}
}

// enter passes the bracket that opens an object or an array.
func (s *scanner) enter(open byte) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.depth == 0 {
		return errDepth
	}
	s.depth--
	return nil
}

// leave passes the bracket that closes an object or an array, if it comes next.
func (s *scanner) leave(end byte) bool {
	if s.peek() != end {
		return false
	}
	s.pos++
	s.depth++
	return true
}

// key passes a key and its colon, and returns the key's text with its quotes.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errSyntax
	}
	start := s.pos
	if err := s.str(); err != nil {
		return nil, err
	}
	key := s.text[start:s.pos]
	return key, s.expect(':')
}

// special are the bytes that end the plain part of a string.
var special = func() (table [256]bool) {
	for b := range 0x20 {
		table[b] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()

// str skips a string. It stands on the opening quote.
func (s *scanner) str() error {
	text, i := s.text, s.pos+1
	for {
		for i < len(text) && !special[text[i]] {
			i++
		}
		if i == len(text) || text[i] < ' ' {
			return errSyntax
		}
		if text[i] == '"' {
			s.pos = i + 1
			return nil
		}
		n := escapeLength(text[i:])
		if n == 0 {
			return errSyntax
		}
		i += n
	}
}

// escapeLength is the length of the escape sequence at the start of text, 0 if it is none.
func escapeLength(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) >= 6 && isHex(text[2]) && isHex(text[3]) && isHex(text[4]) && isHex(text[5]) {
			return 6
		}
	}
	return 0
}

func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func (s *scanner) number() error {
	s.accept('-')
	if !s.accept('0') && !s.digits() {
		return errSyntax
	}
	if s.accept('.') && !s.digits() {
		return errSyntax
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) accept(b byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == b {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && isDigit(s.text[s.pos]) {
		s.pos++
	}
	return s.pos > start
}
