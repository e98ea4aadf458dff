// Package leanws dials WebSocket connections with framing of its own: the client's half of RFC 6455, without extensions,
// over the standard library alone. It is the Dialer for programs that count microseconds.
package leanws
