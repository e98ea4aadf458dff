// Package coderws dials WebSocket connections with github.com/coder/websocket, the maintained continuation of
// nhooyr.io/websocket.
//
// It behaves like package nhooyrws and is faster: a message is read in about 0.65 µs instead of 2 µs without an
// allocation, a round trip over loopback takes 15 µs instead of 19 µs, and no goroutine is kept per connection.
//
// What to know of the library, all of which the Dialer takes care of:
//   - It closes the connection when the context of one read or write ends, and pays several allocations for a context
//     that can end. No caller's context reaches it.
//   - It reports a connection that is cut at an unlucky place inside a message as the end of the message. The Dialer
//     reports io.ErrUnexpectedEOF.
//   - Its read limit is 32 KiB unless set.
//   - It answers pings only while somebody reads, and gives the connection up if the answer cannot be written for
//     five seconds.
//   - It does not check that text is UTF-8: ReadMessage returns the bytes as they came.
//
// A batch of messages leaves in one write per 64 KiB, over TLS in one per record of 16 KiB. ReadMessage returns an error
// that matches rpc.ErrMalformed for a binary message, io.EOF for a connection cut between messages, and the library's
// CloseError for one that the peer closed in order.
//
// Redirects are refused, proxies of the environment ignored (NetDial may dial through one), and compression is not
// offered. TLS is 1.2 or later even if DialConfig.TLS allows less.
package coderws
