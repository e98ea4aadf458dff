package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
)

var (
	errTwice   = errors.New("a member is there twice")
	errType    = errors.New("a member has the wrong type")
	errMembers = errors.New("neither a response nor a notification")
)

// envelope is a frame's own part, apart from what it carries. Its slices are of the frame.
//
// A frame is an envelope if it is a JSON object that has a method; or else exactly one of result and of an error that is
// not null, and, with a result, an id. No member that is read here may occur twice; others are passed over.
type envelope struct {
	seen   member
	method []byte // not nil if there is one
	params []byte // nil if there are none
	named  members
	id     uint64 // 0 if it is of a form that this side never sends
	hasID  bool
	result []byte

	failure *failure

	usIn, usOut, usDiff int64 // 0 where absent or no integer
}

// failure is an error object. Its data is of the frame.
type failure struct {
	code    int64
	message string
	data    []byte
}

// maxFailure bounds the message and the data of an error object, in bytes as sent: what refuses a call outlives its frame.
const maxFailure = 64 << 10

// member is a set of members.
type member uint16

const (
	memberID member = 1 << iota
	memberMethod
	memberParams
	memberResult
	memberError
	memberUsIn
	memberUsOut
	memberUsDiff
)

// parse reads a frame. Its errors do not quote the frame.
func (e *envelope) parse(text []byte, maxDepth int) error {
	s := scanner{text: text, depth: maxDepth}
	for key := s.open(); key != nil; key = s.next() {
		if err := e.member(&s, key); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	if s.peek(); s.pos < len(text) {
		return errSyntax
	}
	return e.check()
}

// open enters the frame's object and returns its first key. Almost every frame begins alike, with a member that tells nothing.
func (s *scanner) open() []byte {
	const head = `{"jsonrpc":"2.0"`
	if !bytes.HasPrefix(s.text, []byte(head)) {
		return s.first()
	}
	s.pos = len(head)
	s.depth--
	return s.next()
}

func (e *envelope) member(s *scanner, key []byte) error {
	m := memberOf(key)
	if e.seen&m != 0 {
		return errTwice
	}
	e.seen |= m
	if m == memberError {
		return e.readFailure(s)
	}
	if m == memberParams {
		e.readParams(s)
		return s.err
	}
	value := s.value()
	if value == nil {
		return s.err
	}
	return e.set(m, value)
}

func memberOf(key []byte) member {
	m := memberNamed(key[1 : len(key)-1])
	if m == 0 && bytes.IndexByte(key, '\\') >= 0 {
		m = memberNamed(unquote(key))
	}
	return m
}

func memberNamed(name []byte) member {
	switch string(name) {
	case "id":
		return memberID
	case "method":
		return memberMethod
	case "params":
		return memberParams
	case "result":
		return memberResult
	case "error":
		return memberError
	case "usIn":
		return memberUsIn
	case "usOut":
		return memberUsOut
	case "usDiff":
		return memberUsDiff
	}
	return 0
}

func (e *envelope) set(m member, value []byte) error {
	switch m {
	case memberID:
		return e.setID(value)
	case memberMethod:
		if value[0] != '"' {
			return errType
		}
		e.method = unquote(value)
	case memberResult:
		e.result = value
	case memberUsIn:
		e.usIn, _ = integer(value) // decoration: what is amiss with it harms no call
	case memberUsOut:
		e.usOut, _ = integer(value)
	case memberUsDiff:
		e.usDiff, _ = integer(value)
	case memberParams, memberError: // read by readParams, readFailure
	}
	return nil
}

// setID takes the id, which some servers send back as a string. Null is none.
func (e *envelope) setID(value []byte) error {
	switch value[0] {
	case 'n':
		return nil
	case '"':
		value = unquote(value)
		if len(value) > 1 && value[0] == '0' {
			value = nil
		}
	case '{', '[', 't', 'f':
		return errType
	}
	e.hasID = true
	e.id, _ = unsigned(value) // 0 is nobody's
	return nil
}

func (e *envelope) check() error {
	switch {
	case e.method != nil:
		if e.result != nil || e.failure != nil {
			return errMembers
		}
	case e.failure != nil:
		if e.result != nil && !isNull(e.result) {
			return errMembers
		}
	case e.result == nil || !e.hasID:
		return errMembers
	}
	return nil
}

// readParams reads the params and remembers their first members.
func (e *envelope) readParams(s *scanner) {
	start := s.pos
	if s.peek() == '{' {
		start = s.pos
		for key := s.first(); key != nil; key = s.next() {
			e.named.add(key, s.value())
		}
	} else {
		s.value()
	}
	e.params = s.text[start:s.pos]
}

// readFailure reads the error object.
func (e *envelope) readFailure(s *scanner) error {
	switch s.peek() {
	case 'n':
		s.value()
		return s.err
	case '{':
		e.failure = new(failure)
		for key := s.first(); key != nil; key = s.next() {
			if value := s.value(); value != nil {
				if err := e.failure.set(key, value); err != nil {
					return err
				}
			}
		}
		return s.err
	}
	return errType
}

func (f *failure) set(key, value []byte) error {
	switch string(unquote(key)) {
	case "code":
		var ok bool
		if f.code, ok = integer(value); !ok {
			return errType
		}
	case "message":
		if value[0] != '"' {
			return errType
		}
		if len(value) > maxFailure {
			f.message = "(the message is too long)"
			return nil
		}
		return json.Unmarshal(value, &f.message)
	case "data":
		if f.data = value; len(value) > maxFailure {
			f.data = nil
		}
	}
	return nil
}

// serverTime is the server's own account of how long it took, in microseconds.
func (e *envelope) serverTime() int64 {
	d := e.usDiff
	if e.seen&memberUsDiff == 0 && e.seen&memberUsIn != 0 && e.seen&memberUsOut != 0 {
		d = e.usOut - e.usIn
	}
	return min(max(d, 0), math.MaxInt64/1000)
}

// unquote returns the inside of a string that the scanner has passed.
func unquote(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	var s string
	_ = json.Unmarshal(text, &s) // does not fail: the string is well-formed
	return []byte(s)
}

func isNull(value []byte) bool { return value[0] == 'n' }

// unsigned reads digits; ok is false for anything else, and for what does not fit.
func unsigned(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || len(text) > 19 { // 19 nines fit
		return 0, false
	}
	for _, b := range text {
		if !isDigit(b) {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return n, true
}

// integer reads a number that is an int64.
func integer(text []byte) (int64, bool) {
	if n, ok := unsigned(text); ok && n <= math.MaxInt64 {
		return int64(n), true
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}
