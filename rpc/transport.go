package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
)

// A Transport carries whole messages over one connection. Package session/transport/nhooyrws has the default one.
//
// One goroutine reads, and one goroutine at a time writes; both may happen at once. Close may be called from anywhere,
// any number of times.
type Transport interface {
	// ReadMessage returns the next text message. The slice is valid until the next ReadMessage. A message longer than
	// the read limit ends the connection with an error that matches [ErrMessageTooBig].
	ReadMessage() ([]byte, error)
	// WriteMessages writes each of msgs as one text message, in order, in as few system calls as the transport can.
	// It does not keep msgs. After an error the connection is unusable, and any part of any message may have left.
	WriteMessages(msgs ...[]byte) error
	// Close ends the connection and unblocks a ReadMessage and a WriteMessages under way. It may try a brief close
	// handshake, but never waits for the peer longer than a second.
	Close() error
}

// A Flusher is a Transport that can write without waiting for the peer. Those of package session/transport are, where the
// network allows it: over TCP and Unix sockets, with TLS and without, on Unix. With a Transport that is none, a peer that
// has stopped reading holds the caller who writes; see Config.WriteTimeout.
type Flusher interface {
	Transport
	// TryWriteMessages is WriteMessages, but what the network does not take at once is left with the Transport, which
	// writes it before all that follows. It reports whether it left something. The next TryWriteMessages or
	// WriteMessages may come only after a Flush then, so no more than one batch is ever left.
	TryWriteMessages(msgs ...[]byte) (left bool, err error)
	// Flush waits until nothing is left. After an error the connection is unusable, and any part of what was left may
	// have left. Close unblocks it.
	Flush() error
}

// A Dialer opens transports. It is safe for concurrent use.
type Dialer interface {
	// Dial performs the opening handshake. ctx bounds the handshake only: ending it later does not touch the Transport.
	Dial(ctx context.Context, cfg DialConfig) (Transport, error)
}

// DialConfig says where and how a Dialer connects. Only URL is needed.
type DialConfig struct {
	// URL is a ws or wss URL. A redirect in the handshake's answer is an error, never followed.
	URL string
	// Header is added to the handshake's request.
	Header http.Header
	// TLS configures wss connections; nil means the system's roots and TLS 1.2 or later.
	TLS *tls.Config
	// NetDial opens the network connection below TLS; nil means a net.Dialer. A test hands in an in-memory network.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// ReadLimit is the longest message that ReadMessage accepts, in bytes after decompression; 0 means
	// [DefaultReadLimit].
	ReadLimit int64
}

// DefaultReadLimit is the read limit of a DialConfig that sets none, in bytes. A full order book is far longer than
// the 32 KiB that WebSocket libraries allow by default.
const DefaultReadLimit = 4 << 20

// HandshakeError is a connection that could not be opened: because of the network, TLS, ctx, or what the server answered.
type HandshakeError struct {
	URL    string // as dialed, without user information
	Status int    // HTTP status, 0 if there was no HTTP answer
	Err    error
}

// Error names the URL, the HTTP status and the reason.
func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("rpc: handshake with %s: %v", e.URL, e.Err)
	}
	return fmt.Sprintf("rpc: handshake with %s: HTTP status %d: %v", e.URL, e.Status, e.Err)
}

// Unwrap returns the reason.
func (e *HandshakeError) Unwrap() error { return e.Err }
