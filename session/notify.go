package session

import "bytes"

var (
	keyChannel = []byte("channel")
	keyData    = []byte("data")
)

// splitNotification finds the channel and the data in the params of a subscription notification, without copying. The
// params are well-formed JSON: package rpc has seen to that. A channel's name that is written with escapes is not found;
// the exchange's names need none.
func splitNotification(params []byte) (channel, data []byte, ok bool) {
	rest := skipSpace(params)
	if len(rest) == 0 || rest[0] != '{' {
		return nil, nil, false
	}
	rest = skipSpace(rest[1:])
	for len(rest) > 0 && rest[0] == '"' {
		var key, value []byte
		key, rest = cutValue(rest)
		rest = skipSpace(rest)
		if len(rest) == 0 || rest[0] != ':' {
			return nil, nil, false
		}
		value, rest = cutValue(skipSpace(rest[1:]))
		switch key = bytes.Trim(key, `"`); {
		case bytes.Equal(key, keyChannel):
			channel = unquote(value)
		case bytes.Equal(key, keyData):
			data = value
		}
		rest = skipSpace(rest)
		if len(rest) > 0 && rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	return channel, data, len(channel) > 0 && len(data) > 0
}

// unquote returns the inside of a string without escapes, nil for anything else.
func unquote(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	return value[1 : len(value)-1]
}

// cutValue cuts the value at the start of well-formed JSON off the rest.
func cutValue(b []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			if depth == 0 {
				return b[:min(i+1, len(b))], b[min(i+1, len(b)):]
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return b[:i], b[i:]
			}
			if depth--; depth == 0 {
				return b[:i+1], b[i+1:]
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return b[:i], b[i:]
			}
		}
	}
	return b, nil
}

// stringEnd is the index of the quote that ends the string at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
