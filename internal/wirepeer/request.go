package wirepeer

import (
	"bytes"
	"errors"
)

var errRequest = errors.New("no JSON-RPC request")

// scanRequest finds the id and the method at the top level of a request, as they stand there, and looks no further.
func scanRequest(msg []byte) (id, method []byte, err error) {
	rest, ok := bytes.CutPrefix(skipSpace(msg), []byte{'{'})
	for ok && (id == nil || method == nil) {
		var key, value []byte
		key, rest = cutValue(skipSpace(rest))
		rest, ok = bytes.CutPrefix(skipSpace(rest), []byte{':'})
		value, rest = cutValue(skipSpace(rest))
		switch string(key) {
		case `"id"`:
			id = value
		case `"method"`:
			method = bytes.Trim(value, `"`)
		}
		if ok {
			rest, ok = bytes.CutPrefix(skipSpace(rest), []byte{','})
		}
	}
	if len(id) == 0 || len(method) == 0 {
		return nil, nil, errRequest
	}
	return id, method, nil
}

// cutValue cuts the JSON value at the start of b off the rest. It takes the JSON to be well-formed.
func cutValue(b []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i = min(i, len(b)-1)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return b[:i], b[i:]
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return b[:i], b[i:]
			}
			continue
		default:
			continue
		}
		if depth == 0 { // a string or a container ends here
			return b[:i+1], b[i+1:]
		}
	}
	return b, nil
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
