package session

import "fmt"

// State is what a session is doing.
type State uint8

// The states of a session. Only the supervisor moves between them, along the edges below.
const (
	Connecting State = iota
	Authenticating
	Resuming
	Ready
	Backoff
	Closed
)

// edges is the transition table: where each state may go. Closed is terminal.
var edges = map[State][]State{
	Connecting:     {Authenticating, Backoff, Closed},
	Authenticating: {Resuming, Backoff, Closed},
	Resuming:       {Ready, Backoff, Closed},
	Ready:          {Connecting, Backoff, Closed},
	Backoff:        {Connecting, Closed},
	Closed:         {},
}

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Authenticating:
		return "authenticating"
	case Resuming:
		return "resuming"
	case Ready:
		return "ready"
	case Backoff:
		return "backoff"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}
