package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/holdfast-ws/holdfast/internal/retry"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session/transport/nhooyrws"
)

// The exchange's WebSocket endpoints; accounts and keys of the two are separate.
const (
	ProductionURL = "wss://www.deribit.com/ws/api/v2"
	TestURL       = "wss://test.deribit.com/ws/api/v2"
)

// Grant is how a session proves that it has the secret. An asymmetric key signs in any case: see [Credentials].
type Grant uint8

// The grants.
const (
	// GrantSignature signs with the secret, which never crosses the wire (client_signature). It needs a clock within
	// 60 s of the exchange's.
	GrantSignature Grant = iota
	// GrantCredentials sends the secret itself (client_credentials).
	GrantCredentials
)

// Config configures a Session. Only URL is needed; a session without Credentials is public.
type Config struct {
	// URL is the exchange's WebSocket endpoint. A ws URL is refused unless its host is loopback or AllowPlaintext is
	// set.
	URL            string
	AllowPlaintext bool
	// Credentials is asked for the key at each authentication; nil makes a public session.
	Credentials CredentialSource
	// Grant is how the session authenticates.
	Grant Grant
	// Scope is what the session asks for, as the exchange spells it ("session:md trade:read_write expires:3600"). Empty asks
	// for "connection" and what the key has. An authentication that grants less is a [*ScopeError]. Mind the spelling: what
	// the exchange does not know it may ignore, and it may grant what the key has.
	Scope string
	// Name tells sessions apart in logs, spans and reports; empty means "session-N".
	Name string

	// Dialer opens the connections; nil means nhooyrws.
	Dialer rpc.Dialer
	// TLS, Header, NetDial and ReadLimit are handed to the Dialer; see [rpc.DialConfig].
	TLS       *tls.Config
	Header    http.Header
	NetDial   func(ctx context.Context, network, addr string) (net.Conn, error)
	ReadLimit int64

	// Heartbeat is the interval that the exchange is asked to keep, in whole seconds and at least 10 s; 0 means 30 s, negative none. A
	// connection over which nothing came for two and a half intervals (75 s) is given up, at most two seconds later. One over
	// which other frames come and no heartbeat is kept: the heartbeat is set again, and the Logger is told.
	Heartbeat time.Duration
	// CancelOnDisconnect has the exchange cancel the orders of a connection that is lost. It is set again on each new
	// connection. Close and Reconnect log out, which cancels nothing.
	CancelOnDisconnect bool
	// SubscriptionsSurvive says that a connection keeps its private and raw channels, and misses nothing of them, when it is
	// authenticated again and when its key is reset. The exchange documents neither; the command "holdfast probe" finds out. Without
	// it each such channel is marked by a [GapError] of reason [GapResumed] when it is asked for again after that, for nothing
	// else tells whether notifications were missed; but for books, whose chain of change ids tells.
	SubscriptionsSurvive bool
	// DialTimeout bounds the opening handshake, and CallTimeout each call that the session makes for itself; 0 means
	// 10 s. Your calls are bounded by their ctx alone.
	DialTimeout time.Duration
	CallTimeout time.Duration
	// NewBackoff makes the waits between failed attempts to connect; nil means 100 ms doubling up to 30 s with jitter,
	// for ever. The *ExponentialBackOff of cenkalti/backoff fits; mind its MaxElapsedTime: the session ends where it says stop.
	NewBackoff func() Backoffer

	// Limits keep calls within the exchange's rate limits, which end a session. Nil leaves that to the callers; what the session
	// sends by itself is paced in any case.
	Limits *Limits
	// Lanes overrides the lane of single methods.
	Lanes map[string]rpc.Lane
	// Codec encodes params and decodes results; its zero value is encoding/json.
	Codec rpc.Codec
	// WriteTimeout and MaxPending bound each connection; see [rpc.Config].
	WriteTimeout time.Duration
	MaxPending   int

	// Observer is told of the session's steps; nil for none. Package telemetry has one.
	Observer Observer
	// Logger is told what an operator wants to read; nil for nothing. No secret and no frame is ever logged.
	Logger *slog.Logger
}

// A Backoffer says how long to wait before the next attempt; a negative duration gives up.
type Backoffer interface {
	NextBackOff() time.Duration
	Reset()
}

// unnamed numbers the sessions that were given no name.
var unnamed atomic.Uint64

func (c Config) withDefaults() Config {
	if c.Dialer == nil {
		c.Dialer = nhooyrws.Dialer{}
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 30 * time.Second
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 10 * time.Second
	}
	if c.CallTimeout == 0 {
		c.CallTimeout = 10 * time.Second
	}
	if c.NewBackoff == nil {
		c.NewBackoff = func() Backoffer { return retry.Backoff(100*time.Millisecond, 30*time.Second) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("session-%d", unnamed.Add(1))
	}
	return c
}

func (c Config) validate() error {
	if err := checkURL(c.URL, c.AllowPlaintext); err != nil {
		return fmt.Errorf("%w: URL: %w", ErrConfig, err)
	}
	if c.Heartbeat > 0 && c.Heartbeat < 10*time.Second {
		return fmt.Errorf("%w: Heartbeat: %v is below the exchange's least interval of 10 s", ErrConfig, c.Heartbeat)
	}
	switch {
	case c.CancelOnDisconnect && c.Credentials == nil:
		return fmt.Errorf("%w: CancelOnDisconnect: needs Credentials", ErrConfig)
	case c.Grant > GrantCredentials:
		return fmt.Errorf("%w: Grant: %d is neither GrantSignature nor GrantCredentials", ErrConfig, c.Grant)
	case misspelt(c.Scope) != "":
		return fmt.Errorf("%w: Scope: %q: an access ends in :read, :read_write or :none", ErrConfig, misspelt(c.Scope))
	case c.DialTimeout < 0 || c.CallTimeout < 0:
		return fmt.Errorf("%w: DialTimeout, CallTimeout: must not be negative", ErrConfig)
	}
	return nil
}

// checkURL never quotes the URL: it may carry what should not be printed.
func checkURL(raw string, plaintext bool) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return fmt.Errorf("is empty: use %s to try things out", TestURL)
	case err != nil:
		return fmt.Errorf("does not parse: it should look like %s", TestURL)
	case u.User != nil:
		return errors.New("carries user information: credentials belong into Config.Credentials")
	case u.Hostname() == "":
		return fmt.Errorf("has no host: it should look like %s", TestURL)
	case u.Scheme == "wss":
		return nil
	case u.Scheme != "ws":
		return fmt.Errorf("has the scheme %q: it must be wss", u.Scheme)
	case plaintext || isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("is not encrypted: use wss, or set AllowPlaintext")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
