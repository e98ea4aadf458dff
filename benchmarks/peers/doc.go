// Package peers measures other people's JSON-RPC clients, WebSocket libraries and JSON decoders beside Holdfast, each
// doing the same work as the others against one peer in a process of its own. It has only tests and benchmarks:
//
//	go test -run xxx -bench Peer .   # JSON-RPC clients: one call, by 1, 8 and 64 callers of one connection
//	go test -run xxx -bench Bare .   # WebSocket libraries without a client on top
//	go test -run xxx -bench Codec .  # decoders of results
//
// What a benchmark compares takes turns, chunk by chunk, so that the noise of the machine meets all alike; one iteration
// is one such round, ns/op the median of its rounds for one operation, and a ratio (x-best, x-floor, x-std) the median of
// the rounds' ratios. Every answer is checked: a benchmark that measured nothing fails.
package peers
