package rpc

import (
	"context"
	"time"
)

// A Caller makes calls: a [*Conn], or a session that outlives connections.
type Caller interface {
	// Call sends method with params (nil means an empty object) and decodes the result into result, unless that is
	// nil. It returns nil, an [*Error] if the server refused, or a [*CallError] if there was no answer.
	Call(ctx context.Context, method string, params, result any) error
}

// Call makes a call whose result is a T.
func Call[T any](ctx context.Context, c Caller, method string, params any) (T, error) {
	var result T
	err := c.Call(ctx, method, params, &result)
	return result, err
}

// Lane orders the frames that wait while another goroutine writes.
type Lane uint8

// The lanes, in the order in which they leave. No lane starves.
const (
	LaneControl Lane = iota // heartbeat answers, authentication, logout
	LaneCancel
	LaneOrder
	LaneRead
	LaneSubscribe
	lanes // their number
)

// Config configures a Conn. Its zero value works.
type Config struct {
	// Handler is called for each notification, in wire order, on the reader's goroutine: it must not block, and must
	// not call the Conn. Nil drops notifications and reports them as strays.
	Handler func(Notification)
	// Observer is told of calls; nil for none.
	Observer Observer
	// OnStray is told of frames that belong to no waiting call, on the reader's goroutine; nil for none. It is the
	// session's share of what Observer.Stray tells telemetry.
	OnStray func(Stray)
	// Codec encodes params and decodes results; its zero value is encoding/json.
	Codec Codec
	// Lane says in which lane a method's frame waits; nil puts all into LaneRead.
	Lane func(method string) Lane
	// Classify judges the server's error codes; nil knows only those of the JSON-RPC specification.
	Classify func(Code) Verdict
	// Sensitive says for which methods the frames of request and reply are wiped from the Conn's buffers as soon as
	// they have been used; nil wipes none.
	Sensitive func(method string) bool
	// WriteTimeout ends the connection with ErrWriteStalled if a write takes longer; 0 means 5 s.
	WriteTimeout time.Duration
	// MaxPending bounds the unanswered calls; 0 means 4096.
	MaxPending int
	// MaxRequest bounds the bytes of one outgoing frame; 0 means no bound. A longer one fails its call with
	// ErrMessageTooBig before anything is sent.
	MaxRequest int
	// MaxDepth bounds the nesting of an incoming frame; 0 means 64.
	MaxDepth int
}

// Notification is an incoming message that answers no call. Its slices are valid until the handler returns.
type Notification struct {
	Method []byte
	Params []byte
}
