package session

import "fmt"

// State is what a session is doing.
type State uint8

// The states of a session. From each it goes to the next, or to Backoff on any error; from Backoff to Connecting; from
// Ready to Connecting for a planned reconnect; and from anywhere to Closed, which is terminal. A re-authentication does not
// leave Ready.
const (
	Connecting State = iota
	Authenticating
	Resuming
	Ready
	Backoff
	Closed
)

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
