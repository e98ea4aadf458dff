// Package wirepeer is the other end of the wire for benchmarks, in a process of its own, so that a client and what it is
// measured against share no scheduler with their server.
//
// The process is the test binary itself, started again: its TestMain calls [Main] first. It runs on one processor
// (GOMAXPROCS=1), and costs as little as it can: one read, the answers to all that came with it, one write, and no
// allocation for a message. It is a yardstick, not an exchange: it checks nothing that it need not know.
//
// Over WebSocket it answers every JSON-RPC request, whatever its method, with the result of an order; a query of
// "?result=N" in the URL asks for a result of N bytes. It knows these methods:
//
//   - public/auth is granted, public/set_heartbeat taken (and no heartbeat sent), private/logout closes the connection;
//   - public/subscribe, private/subscribe and their contraries are answered with the channels of the request;
//   - public/stream with {"count":n,"channels":[...]} is answered, and followed by n notifications, in turn for each of
//     the channels; with a number k in place of the names, for the first k that were subscribed. Each is a delta of a book
//     ([NotificationSize] bytes), whatever the kind of the channel, and their change ids form a chain per channel.
//
// Over raw TCP it plays the floors: see [Peer.PingPong] and [Peer.Stream].
package wirepeer
