package session

import (
	"context"

	"github.com/holdfast-ws/holdfast/rpc"
)

// An Observer is told of a session's steps. Package telemetry implements it for OpenTelemetry. Its methods are called
// concurrently, never under a lock; they must be fast and must not call the session, but for its accessors. A nil
// Observer costs one branch.
type Observer interface {
	// Opened is called once, when Dial begins; the Stats of s may be read until Ended.
	Opened(s *Session)
	// Ended is called once, when the session is closed.
	Ended(s *Session)
	// Calls returns what observes the calls of the connection that is being opened, nil for nothing. ctx is that of
	// the step StepConnect, so that a call can be linked to its connection.
	Calls(ctx context.Context, step Step) rpc.Observer
	// StepStart is called before a step. The context that it returns is given to steps and calls within the step, and
	// the function is called once at its end.
	StepStart(ctx context.Context, step Step) (context.Context, func(StepEnd))
	// StateChanged is called after each change of state. err says why, nil on the way to Ready.
	StateChanged(s *Session, from, to State, err error)
	// Gap is called for each gap marker that a subscription is given.
	Gap(s *Session, gap *GapError)
	// Resent is called when a call that was refused for want of authority is sent again after a re-authentication.
	Resent(s *Session, method string)
}

// StepKind names a step of a session's life.
type StepKind string

// The steps. Connect has Dial, Authenticate and Resume as its children.
const (
	StepConnect        StepKind = "connect"
	StepDial           StepKind = "dial"
	StepAuthenticate   StepKind = "authenticate"
	StepResume         StepKind = "resume"
	StepSubscribe      StepKind = "subscribe"
	StepReauthenticate StepKind = "reauthenticate"
)

// Step describes a step that begins.
type Step struct {
	Kind       StepKind
	Session    string // Config.Name
	URL        string
	Epoch      uint64 // of the connection
	Generation uint64 // of the credentials, 0 if not known yet
	Channels   int    // how many a resume or subscribe is about
}

// StepEnd tells how a step ended.
type StepEnd struct {
	Err        error
	Generation uint64 // of the credentials that authenticated
	Confirmed  int    // channels that the server confirmed
}
