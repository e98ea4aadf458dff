// Package nhooyrws dials WebSocket connections with nhooyr.io/websocket. It is the default Dialer of package session.
//
// The library is frozen: it moved to github.com/coder/websocket in August 2024, and every symbol of it is marked
// deprecated. The move brought speed: where messages come many at a time, nhooyrws reads one in about 1.7 µs, coderws in
// 0.5 µs, and package leanws in 0.08 µs; a batch of 64 requests leaves in 60, 28 and 6.6 µs; a round trip over loopback
// takes 18, 13 and 12 µs. None of them allocates. nhooyrws and coderws behave alike; programs that count microseconds
// choose leanws.
//
// What to know of the library, all of which the Dialer takes care of:
//   - It closes the connection when the context of one read or write ends. No caller's context reaches it.
//   - It reports a connection that is cut at an unlucky place inside a message as the end of the message. The Dialer
//     reports io.ErrUnexpectedEOF. A cut inside a frame's header may still be io.EOF, as one between messages is.
//   - Its read limit is 32 KiB unless set, and its error for a longer message has no type.
//   - It answers pings only while somebody reads, and writes the answer on the reader's goroutine: a peer that did not
//     read could hold it up. The Dialer keeps up to 64 KiB of answers, and ends a connection with more of them with
//     rpc.ErrWriteStalled.
//   - It does not check that text is UTF-8: ReadMessage returns the bytes as they came. It also forgives a server masked
//     frames, whose mask it does not take off, and lengths that are not in their shortest form.
//   - It reads through 4 KiB. The Dialer reads 32 KiB ahead once more is waiting.
//   - It keeps one goroutine per connection until Close.
//
// A batch of messages leaves in one write per 64 KiB, over TLS in one per record of 16 KiB. No writer waits for a peer
// that has stopped reading, where rpc.Flusher says so: what the network does not take at once is kept, one batch at most,
// and written by a goroutine that lives only then.
//
// ReadMessage returns an error that matches rpc.ErrMalformed for a binary message, io.EOF for a connection cut between
// messages, and the library's CloseError for one that the peer closed in order.
//
// Redirects are refused, proxies of the environment ignored (NetDial may dial through one), and compression is not
// offered. TLS is 1.2 or later even if DialConfig.TLS allows less.
package nhooyrws
