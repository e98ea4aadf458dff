package rpc

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// What is wrong with a text. It is never quoted.
var (
	errSyntax = errors.New("not JSON")
	errDepth  = errors.New("nested too deeply")
)

// scanner walks over JSON without decoding it. It accepts whatever json.Valid accepts, invalid UTF-8 inside strings
// included. Beyond that it accepts only what is broken inside a block: see there.
type scanner struct {
	text  []byte
	pos   int
	depth int   // levels that may still be opened
	err   error // the first one; nothing more is found after it
}

// fail ends the walk: what is asked for from now on fails too.
func (s *scanner) fail(err error) []byte {
	if s.err == nil {
		s.err = err
	}
	s.pos = len(s.text)
	return nil
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

// first enters an object and returns its first key, with its quotes: nil if it has none.
func (s *scanner) first() []byte {
	if s.peek() != '{' {
		return s.fail(errSyntax)
	}
	if s.depth == 0 {
		return s.fail(errDepth)
	}
	s.pos++
	s.depth--
	if s.peek() == '}' {
		return s.leave()
	}
	return s.key()
}

// next returns the key that follows a member's value, nil at the object's end.
func (s *scanner) next() []byte {
	if text, i := s.text, s.pos; i+1 < len(text) && text[i] == ',' && text[i+1] == '"' { // as most peers write
		if end := stringEnd(text, i+2); uint(end) < uint(len(text)) && text[end] == ':' {
			s.pos = end + 1
			return text[i+1 : end]
		}
	}
	switch s.peek() {
	case ',':
		s.pos++
		return s.key()
	case '}':
		return s.leave()
	}
	return s.fail(errSyntax)
}

func (s *scanner) leave() []byte {
	s.pos++
	s.depth++
	return nil
}

// key passes a key and its colon.
func (s *scanner) key() []byte {
	if s.peek() != '"' {
		return s.fail(errSyntax)
	}
	start := s.pos
	end := stringEnd(s.text, start+1)
	if end < 0 {
		return s.fail(errSyntax)
	}
	if s.pos = end; s.peek() != ':' {
		return s.fail(errSyntax)
	}
	s.pos++
	return s.text[start:end]
}

// value passes a value and returns its text, nil if there is none.
func (s *scanner) value() []byte {
	first := s.peek()
	if first == '{' || first == '[' {
		return s.block()
	}
	start := s.pos
	var end int
	switch first {
	case '"':
		end = stringEnd(s.text, start+1)
	case 't':
		end = literalEnd(s.text, start, "true")
	case 'f':
		end = literalEnd(s.text, start, "false")
	case 'n':
		end = literalEnd(s.text, start, "null")
	default:
		end = numberEnd(s.text, start)
	}
	if end < 0 {
		return s.fail(errSyntax)
	}
	s.pos = end
	return s.text[start:end]
}

func literalEnd(text []byte, start int, word string) int {
	end := start + len(word)
	if end > len(text) || string(text[start:end]) != word {
		return -1
	}
	return end
}

// Bytes in each place of a word: of ones, and of the sign bit.
const (
	ones  = 0x0101010101010101
	signs = 0x80 * ones
)

// stringEnd returns the index behind the quote that ends the string whose inside begins at i.
func stringEnd(text []byte, i int) int {
	for i+8 <= len(text) {
		x := binary.LittleEndian.Uint64(text[i : i+8 : len(text)])
		quote, escape := x^'"'*ones, x^'\\'*ones
		// The lowest sign is right: what is borrowed falsifies only those above it.
		if m := ((quote-ones)&^quote | (escape-ones)&^escape | (x-' '*ones)&^x) & signs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
		i += 8
	}
	for i >= 0 && i < len(text) {
		switch b := text[i]; {
		case b == '"':
			return i + 1
		case b < ' ':
			return -1
		case b == '\\':
			i = escapeEnd(text, i)
		default:
			i++
		}
	}
	return -1
}

func escapeEnd(text []byte, i int) int {
	rest := text[i:]
	if len(rest) < 2 {
		return -1
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if len(rest) >= 6 && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]) && isHex(rest[5]) {
			return i + 6
		}
	}
	return -1
}

func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

func isDigit(b byte) bool { return b-'0' <= 9 }

// numberEnd returns the index behind the number that begins at i.
func numberEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else {
		i = digitsEnd(text, i)
	}
	if i >= 0 && i < len(text) && text[i] == '.' {
		i = digitsEnd(text, i+1)
	}
	if i >= 0 && i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		i = digitsEnd(text, i)
	}
	return i
}

func digitsEnd(text []byte, start int) int {
	i := start
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
