package rpc

import (
	"context"
	"time"
)

// An Observer is told of every call. Package telemetry implements it for OpenTelemetry. Its methods are called
// concurrently, on callers' goroutines and on the reader's; they must be fast and must not call the Conn. A nil
// Observer costs one branch.
type Observer interface {
	// CallStart is called on the caller's goroutine before the call is written. The context that it returns is given
	// to CallEnd; nothing else uses it.
	CallStart(ctx context.Context, call CallInfo) context.Context
	// CallEnd is called once per CallStart, when the caller has its outcome.
	CallEnd(ctx context.Context, call CallInfo, end CallEnd)
	// Stray is called on the reader's goroutine for each incoming frame that belongs to no waiting call.
	Stray(stray Stray)
}

// CallInfo names a call.
type CallInfo struct {
	Method string
	ID     uint64 // 0 in CallStart
	Lane   Lane
}

// CallEnd tells how a call ended and where its time went. A duration is 0 where it is not known.
type CallEnd struct {
	Err    error         // nil, *Error, *CallError, or one that matches ErrDecode
	Total  time.Duration // from call to outcome
	Queued time.Duration // until its bytes were handed to the transport
	Server time.Duration // the server's own account: usDiff of the reply
}

// StrayKind says why a frame has no call to go to.
type StrayKind uint8

// The kinds of stray frames.
const (
	// StrayLate answers a call whose caller had left: the request may well have been executed.
	StrayLate StrayKind = iota
	// StrayUnknownID answers an id that was never sent, or one that was answered long ago.
	StrayUnknownID
	// StrayDuplicate answers an id for the second time.
	StrayDuplicate
	// StrayError is an error without an id: it concerns the connection.
	StrayError
	// StrayNotification is a notification that has no handler.
	StrayNotification
	strayKinds // their number
)

// Stray is a frame that belonged to no waiting call.
type Stray struct {
	Kind   StrayKind
	ID     uint64
	Method string // of the call that is answered late, or of the notification
	Err    *Error // the error of a StrayError, or with which a late call was refused; nil for a late success
}
