package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// sentinel is an error that is its own identity, with its name for telemetry.
type sentinel struct{ text, kind string }

func (s *sentinel) Error() string     { return s.text }
func (s *sentinel) ErrorType() string { return s.kind }

// typed is an error that has a name for telemetry.
type typed interface {
	error
	ErrorType() string
}

// errorType is the low-cardinality name of err for telemetry.
func errorType(err error) string {
	if named, ok := errors.AsType[typed](err); ok {
		return named.ErrorType()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "_OTHER"
}

// ErrorType is the low-cardinality name of the reason for telemetry: timeout, canceled, connection_lost, session_closed,
// write_failed, malformed, message_too_big, too_many_pending, draining, encode, what the Transport calls its failure (close_1001,
// say), or _OTHER.
func (e *CallError) ErrorType() string { return errorType(e.Err) }

// connError is a failure of the transport, which ends the connection.
type connError struct {
	what string
	kind string
	err  error
}

func (e *connError) Error() string { return fmt.Sprintf("rpc: %s: %v", e.what, e.err) }
func (e *connError) Unwrap() error { return e.err }

// ErrorType is the name that the transport has for its failure, else the kind.
func (e *connError) ErrorType() string {
	if named, ok := errors.AsType[typed](e.err); ok {
		return named.ErrorType()
	}
	return e.kind
}

func readError(err error) error {
	return &connError{what: "connection lost", kind: "connection_lost", err: err}
}

func writeError(err error) error { return &connError{what: "write", kind: "write_failed", err: err} }

// ErrorType is the low-cardinality name of the error for telemetry: the HTTP status if there was an answer, else timeout,
// canceled, or connection_failed.
func (e *HandshakeError) ErrorType() string {
	if e.Status != 0 {
		return strconv.Itoa(e.Status)
	}
	if kind := errorType(e.Err); kind != "_OTHER" {
		return kind
	}
	return "connection_failed"
}
