package session

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Sentinel errors; compare with errors.Is.
var (
	// ErrClosed is the end of a session that this side closed, or of a subscription of it.
	ErrClosed = errors.New("session: closed")
	// ErrNotReady ends a call that was made while the session was not ready, before a byte left. WaitReady waits.
	ErrNotReady = errors.New("session: not ready")
	// ErrConfig is a Config that cannot work; the error names the field.
	ErrConfig = errors.New("session: config")
	// ErrUnsubscribed ends a subscription that its owner closed.
	ErrUnsubscribed = errors.New("session: unsubscribed")
	// ErrSilent is the end of a connection over which nothing came for longer than the heartbeat allows, and of the calls that were under
	// way over it.
	ErrSilent = errors.New("session: connection silent")
	// ErrRateLimited is the end of a connection on which the exchange had refused a call because of its rate limits; and it ends
	// a call that would have to wait too long for its credits, before a byte left: see Limits.
	ErrRateLimited = errors.New("session: rate limit")
	// ErrMaintenance is why a session has left Ready for Maintenance. Calls are refused with an [*rpc.Error] of [CodeMaintenance], after
	// which it is safe to send them again.
	ErrMaintenance = errors.New("session: the exchange is in maintenance")
	// ErrNoCredentials refuses what needs authentication on a session without a CredentialSource.
	ErrNoCredentials = errors.New("session: no credentials configured")
)

// advise adds what to do about a handshake that was refused because of a limit that the exchange documents.
func advise(err error) error {
	if h, ok := errors.AsType[*rpc.HandshakeError](err); ok && h.Status == http.StatusTooManyRequests {
		return fmt.Errorf("%w: the exchange takes %d connections of one address, those of other programs and of its web interface "+
			"counted: close some, or use another address", err, maxConnections)
	}
	return err
}

// AuthError is an authentication that the exchange refused. A session whose credentials are refused for good ends with
// it.
type AuthError struct {
	ClientID   string
	Generation uint64
	Err        error // the exchange's *rpc.Error, mostly
	Hint       string
}

// Error names the key and what to do.
func (e *AuthError) Error() string {
	msg := fmt.Sprintf("session: authentication of %s (generation %d): %v", e.ClientID, e.Generation, e.Err)
	if e.Hint != "" {
		msg += ": " + e.Hint
	}
	return msg
}

// Unwrap returns the exchange's refusal.
func (e *AuthError) Unwrap() error { return e.Err }

// ScopeError is an authentication that the exchange granted with less scope than was asked for, or than the connection had.
type ScopeError struct {
	Asked   string // or what the connection had
	Granted string
	Missing []string
}

// Error names what is missing.
func (e *ScopeError) Error() string {
	return fmt.Sprintf("session: scope: asked for %q, granted %q: the key lacks %v: widen the key's scope or ask for less",
		e.Asked, e.Granted, e.Missing)
}

// SubscribeError is a subscription of which the exchange refused channels, by leaving them out of its answer.
type SubscribeError struct {
	Refused []string
	Err     error // the exchange's error if it gave one, nil if it was silent
}

// Error names the channels.
func (e *SubscribeError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("session: subscribe %v: %v", e.Refused, e.Err)
	}
	return fmt.Sprintf("session: subscribe: the exchange did not accept %v: check the names and the scope", e.Refused)
}

// Unwrap returns the exchange's error.
func (e *SubscribeError) Unwrap() error { return e.Err }

// GapReason says why notifications may be missing.
type GapReason string

// The reasons of gaps.
const (
	GapReconnect GapReason = "reconnect" // the connection was lost; the channels are subscribed again
	GapOverflow  GapReason = "overflow"  // the subscriber was too slow for its buffer
	GapSequence  GapReason = "sequence"  // the chain of change ids of a book is broken; its next message is a snapshot
	GapResync    GapReason = "resync"    // a book began anew, for another subscription's sake; its next message is a snapshot
	// GapResumed is a connection that has lost its authority, or was authenticated anew without [Config.SubscriptionsSurvive]: its
	// private and raw channels are subscribed again.
	GapResumed GapReason = "resumed"
)

// GapError stands in a subscription's stream in the place of notifications that may be missing. It is not the end: the
// stream goes on.
type GapError struct {
	Reason GapReason
	// Missed counts the notifications that were dropped, 0 if it cannot be known.
	Missed uint64
	// Channel is the one channel that it is about, empty if it is about every channel of the subscription: with [GapResumed] about the
	// private and raw ones, but for books that are told by their changes.
	Channel string
	// Epoch is that of the connection on which the loss happened.
	Epoch uint64
}

// Error says why.
func (e *GapError) Error() string {
	if e.Missed > 0 {
		return fmt.Sprintf("session: gap (%s): %d notifications missed", e.Reason, e.Missed)
	}
	return fmt.Sprintf("session: gap (%s): notifications may be missing", e.Reason)
}
