package wirepeer

import (
	"bytes"
	"errors"
	"iter"
)

var errRequest = errors.New("no JSON-RPC request")

var (
	headID     = []byte(answerHead) // requests begin as answers do
	headMethod = []byte(`,"method":"`)
)

// scanRequest finds the id and the method at the top level of a request, as they stand there, and looks no further.
func scanRequest(msg []byte) (id, method []byte, err error) {
	if id, method = scanUsual(msg); len(id) > 0 && len(method) > 0 {
		return id, method, nil
	}
	for key, value := range members(msg) {
		switch string(key) {
		case `"id"`:
			id = value
		case `"method"`:
			method = bytes.Trim(value, `"`)
		}
		if len(id) > 0 && len(method) > 0 {
			return id, method, nil
		}
	}
	return nil, nil, errRequest
}

// scanUsual does so where the id is a number, and all stands where most clients put it.
func scanUsual(msg []byte) (id, method []byte) {
	rest, usual := bytes.CutPrefix(msg, headID)
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	id, rest = rest[:digits], rest[digits:]
	rest, named := bytes.CutPrefix(rest, headMethod)
	end := bytes.IndexByte(rest, '"')
	if !usual || !named || end < 0 {
		return nil, nil
	}
	return id, rest[:end]
}

// member returns the value of a member of a JSON object, nil if it has none of that name.
func member(object []byte, name string) []byte {
	for key, value := range members(object) {
		if string(bytes.Trim(key, `"`)) == name {
			return value
		}
	}
	return nil
}

// members yields the members of a JSON object as they stand there. It takes the JSON to be well-formed.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		rest, more := bytes.CutPrefix(skipSpace(object), []byte{'{'})
		for more {
			var key, value []byte
			key, rest = cutValue(skipSpace(rest))
			rest, more = bytes.CutPrefix(skipSpace(rest), []byte{':'})
			value, rest = cutValue(skipSpace(rest))
			if !more || !yield(key, value) {
				return
			}
			rest, more = bytes.CutPrefix(skipSpace(rest), []byte{','})
		}
	}
}

// names yields the strings of a JSON array, which need no escapes.
func names(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			_, rest, more := bytes.Cut(array, quote)
			name, rest, closed := bytes.Cut(rest, quote)
			if !more || !closed || !yield(name) {
				return
			}
			array = rest
		}
	}
}

var quote = []byte{'"'}

// cutValue cuts the JSON value at the start of b off the rest. It takes the JSON to be well-formed.
func cutValue(b []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch kinds[b[i]] {
		case plain:
			continue
		case quoted:
			i = stringEnd(b, i)
		case opening:
			depth++
		case closing:
			if depth == 0 {
				return b[:i], b[i:]
			}
			depth--
		case between:
			if depth == 0 {
				return b[:i], b[i:]
			}
			continue
		}
		if depth == 0 { // a string or a container ends here
			return b[:i+1], b[i+1:]
		}
	}
	return b, nil
}

// What a byte outside strings is.
const (
	plain = iota
	quoted
	opening
	closing
	between
)

var kinds = [256]byte{
	'"': quoted, '{': opening, '[': opening, '}': closing, ']': closing,
	',': between, ':': between, ' ': between, '\t': between, '\r': between, '\n': between,
}

// stringEnd is the index of the quote that ends the string at i, or of the last byte.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		escape := bytes.IndexByte(b[i:i+n], '\\')
		if escape < 0 {
			return i + n
		}
		i += escape + 1
	}
	return len(b) - 1
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
