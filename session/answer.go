package session

import (
	"encoding/json"
	"errors"
)

// maxAnswer is the longest answer that a session takes to what it asks for itself, in bytes. The longest that is in order is the
// echo of a subscribe, whose names fit into a frame.
const maxAnswer = 128 << 10

var errLongAnswer = errors.New("session: the answer is far too long")

// answer is what a session asks for itself. What is far longer than it can be is not decoded: a list of millions of names would
// take many times its length.
type answer struct{ into any }

// UnmarshalJSON implements json.Unmarshaler.
func (a *answer) UnmarshalJSON(b []byte) error {
	if len(b) > maxAnswer {
		return errLongAnswer
	}
	return json.Unmarshal(b, a.into)
}
