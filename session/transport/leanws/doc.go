// Package leanws dials WebSocket connections with framing of its own: the client's half of RFC 6455, without extensions,
// over the standard library alone. It is the Dialer for programs that count microseconds.
//
// Beside it coderws and nhooyrws, and bare TCP as the floor, over loopback on two cores; medians of ten alternating runs:
//
//	                                   TCP    lean   coder   nhooyr
//	read 312 bytes, many at a time    0.07    0.08    0.51      1.7  µs
//	round trip of 150 bytes           12.2    12.4    13.3     17.8  µs
//	write a batch of 64 requests       4.9     6.6    28       60    µs
//
// It allocates nothing to read or write, keeps 8 KiB of buffers per idle connection and 36 KiB per busy one, and no
// goroutine. It has fewer users than the libraries; what speaks for it is the suite that all three pass, a model of the
// RFC that judges what it reads, and that it is small enough to be read.
//
// It is stricter than both libraries. It ends the connection, and tells the peer why, for a masked frame of the server,
// for a length that is not in its shortest form, and for text or a close reason that is not UTF-8. A message that
// is too long is refused by its header, before any of it is read, and memory grows only with bytes that have arrived.
//
// A ping is answered by a goroutine that lives until the answer has left: neither the reader nor a writer waits for it,
// and it cannot get into the middle of a message. If pings come faster than answers leave, only the latest is answered.
//
// A batch of messages leaves in one write per 64 KiB, over TLS in one per record of 16 KiB, masked with keys of a
// ChaCha8 generator per connection. No writer waits for a peer that has stopped reading, where rpc.Flusher says so: what
// the network does not take at once is kept, one batch at most, and written by a goroutine that lives only then.
//
// ReadMessage returns an error that matches rpc.ErrMalformed for a binary message, one that matches io.ErrUnexpectedEOF
// for a connection cut inside a message, even in its header, and io.EOF for one cut between messages.
//
// Close sends a close frame, unless the peer has stopped reading for a second, and does not wait for the peer's; the
// libraries wait for it for up to a second.
//
// Redirects are refused, proxies of the environment ignored (NetDial may dial through one), and neither extensions nor
// subprotocols are offered, or accepted. TLS is 1.2 or later even if DialConfig.TLS allows less.
package leanws
