package session

import (
	"context"
	"fmt"
	"iter"
)

// State is what a session is doing.
type State uint8

// The states of a session. From each up to Ready it goes to the next, and from each to Backoff if the connection cannot be had or is
// lost; from Backoff to Connecting; and from anywhere to Closed, which is terminal. Neither a re-authentication nor a planned reconnect
// leaves Ready: a greater epoch tells of the latter.
//
// Ready is of the connection: it is authenticated and configured, and each channel was confirmed over it, or has ended its subscription
// with a [*SubscribeError]. It is not of single channels: a book whose chain breaks begins anew while the session stays Ready. Its
// stream tells of that by a [*GapError], and package orderbook says whether it may be looked at now.
const (
	Connecting State = iota
	Authenticating
	Resuming
	Ready
	// Maintenance is a connection that lives while the exchange refuses calls: it has sent the error 11051, to a call or without one.
	// Calls go on to be sent, and are refused as long as that lasts. The exchange does not tell of the end: a session asks every five
	// seconds, and is Ready again.
	Maintenance
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
	case Maintenance:
		return "maintenance"
	case Backoff:
		return "backoff"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// StateChange is what a session is doing since its last change of state.
type StateChange struct {
	State State
	// Epoch is that of the newest connection.
	Epoch uint64
	// Err says why, nil on the way to Ready: what ended the last connection or the session, or [ErrMaintenance].
	Err error
}

// States yields what the session is doing now, and then each change, until ctx ends, the consumer breaks, or the session has
// closed, which is the last that it yields. Any number of consumers may watch. A slow one is given the newest change and not
// those before it; a greater Epoch then tells that the connection was replaced meanwhile.
func (s *Session) States(ctx context.Context) iter.Seq[StateChange] {
	return func(yield func(StateChange) bool) {
		for {
			s.mu.Lock()
			changed, now := s.changed, StateChange{State: s.state, Epoch: s.epoch, Err: s.err}
			s.mu.Unlock()
			if !yield(now) || now.State == Closed {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}
