package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Sentinel errors; compare with errors.Is.
var (
	// ErrClosed is the end of a connection that this side closed.
	ErrClosed error = &sentinel{"rpc: connection closed", "session_closed"}
	// ErrWriteStalled is the end of a connection on which a write took longer than Config.WriteTimeout: the peer has
	// stopped reading.
	ErrWriteStalled error = &sentinel{"rpc: write stalled: the peer stopped reading", "write_failed"}
	// ErrTooManyPending refuses a call because Config.MaxPending calls are already unanswered. Nothing was sent.
	ErrTooManyPending error = &sentinel{
		"rpc: too many calls pending: wait for some, or raise Config.MaxPending", "too_many_pending",
	}
	// ErrDraining refuses a call because Conn.Drain was called. Nothing was sent.
	ErrDraining error = &sentinel{"rpc: connection is being left: use the one that follows it", "draining"}
	// ErrMessageTooBig is a message longer than the limit: an incoming one ends the connection, an outgoing one only
	// its call.
	ErrMessageTooBig error = &sentinel{"rpc: message too big", "message_too_big"}
	// ErrMalformed is an incoming frame that is no JSON-RPC envelope, or more than 100 answers in a minute to ids that were
	// never sent. It ends the connection: after it, no frame can be trusted to answer what it seems to answer.
	ErrMalformed error = &sentinel{"rpc: malformed frame", "malformed"}
	// ErrDecode is a result that arrived but does not fit the caller's type. The call was executed.
	ErrDecode error = &sentinel{"rpc: result does not decode", "decode"}
	// ErrEncode is params that do not encode. Nothing was sent.
	ErrEncode error = &sentinel{"rpc: params do not encode", "encode"}
)

// Code is the code of a JSON-RPC error object.
type Code int64

// Codes of the JSON-RPC 2.0 specification.
const (
	CodeParse          Code = -32700
	CodeInvalidRequest Code = -32600
	CodeMethodNotFound Code = -32601
	CodeInvalidParams  Code = -32602
	CodeInternal       Code = -32603
)

// Class says what an error object asks of the caller.
type Class uint8

// The classes of error objects.
const (
	// ClassPermanent will be refused again: change the request.
	ClassPermanent Class = iota
	// ClassRetry may pass later; see also [SafeToRetry].
	ClassRetry
	// ClassReauthenticate was refused for want of authority, before anything was executed: authenticate, then send
	// again.
	ClassReauthenticate
	// ClassStop must not be tried again without a person or a new secret: trying on makes it worse.
	ClassStop
)

// String returns the class's name.
func (c Class) String() string {
	switch c {
	case ClassRetry:
		return "retry"
	case ClassReauthenticate:
		return "reauthenticate"
	case ClassStop:
		return "stop"
	case ClassPermanent:
		return "permanent"
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Verdict is what a dialect of JSON-RPC knows of an error code.
type Verdict struct {
	Class Class
	// NotExecuted is true only if the server surely refused the request before acting on it.
	NotExecuted bool
}

// Error is an error object with which the server answered a call: the call has ended, and it had no result.
// Branch on Code; servers change their messages.
type Error struct {
	Code    Code
	Message string          // says only that it is too long if it is longer than 64 KiB
	Data    json.RawMessage // as sent, nil if absent or longer than 64 KiB; the caller owns it

	method  string   // of the call, empty for an Error that belongs to none or that no Conn made
	verdict *Verdict // by Config.Classify; nil for an Error that no Conn made
}

// Error names the method and describes the refusal. The data member is left out: it may echo what was sent.
func (e *Error) Error() string {
	of := ""
	if e.method != "" {
		of = e.method + ": "
	}
	return fmt.Sprintf("rpc: %sserver refused: %s (code %d)", of, e.Message, e.Code)
}

// Class says what the refusal asks of the caller.
func (e *Error) Class() Class { return e.judged().Class }

// ErrorType is the low-cardinality name of the error for telemetry: its code.
func (e *Error) ErrorType() string { return strconv.FormatInt(int64(e.Code), 10) }

func (e *Error) judged() Verdict {
	if e.verdict != nil {
		return *e.verdict
	}
	return classifyStandard(e.Code)
}

// classifyStandard judges by the JSON-RPC specification alone.
func classifyStandard(c Code) Verdict {
	switch c {
	case CodeParse, CodeInvalidRequest, CodeMethodNotFound, CodeInvalidParams:
		return Verdict{Class: ClassPermanent, NotExecuted: true}
	case CodeInternal: // may have come after the effect
	}
	return Verdict{Class: ClassPermanent}
}

// Outcome is what is known of a call that got no answer.
type Outcome uint8

// The outcomes of an unanswered call.
const (
	// Unknown means that bytes of the call may have left: it may have been executed, now or later. It is the zero
	// value because it is the safe assumption.
	Unknown Outcome = iota
	// NotSent means that no byte of the call left: it was not executed and never will be.
	NotSent
)

// String returns the outcome's name.
func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not sent"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// CallError is a call that ended without an answer. Err says why: the caller's context error, [ErrClosed],
// [ErrWriteStalled], or what ended the connection.
type CallError struct {
	Method  string
	ID      uint64 // 0 if the call got no id
	Outcome Outcome
	Err     error
}

// Error names the method, the outcome and the reason.
func (e *CallError) Error() string { return fmt.Sprintf("rpc: %s: %s: %v", e.Method, e.Outcome, e.Err) }

// Unwrap returns the reason.
func (e *CallError) Unwrap() error { return e.Err }

// SafeToRetry reports whether sending the call again cannot execute it twice: no byte of it left, or the server refused
// it before acting on it. It is false for nil and whenever there is doubt. It judges the [*CallError] that err wraps, or else the
// [*Error]: ask it about calls only, for whatever else a larger operation did is not in it. Whether sending again is of any use
// is another question: a refusal's is answered by [Error.Class].
func SafeToRetry(err error) bool {
	if errors.Is(err, ErrDecode) { // executed, whatever the decoder's error looks like
		return false
	}
	if ce, ok := errors.AsType[*CallError](err); ok {
		return ce.Outcome == NotSent
	}
	if re, ok := errors.AsType[*Error](err); ok {
		return re.judged().NotExecuted
	}
	return false
}
