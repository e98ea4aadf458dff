// Package rpc is one JSON-RPC 2.0 connection shared by any number of goroutines.
//
// It correlates ids, combines the writes of concurrent callers, scans each incoming envelope once, and gives every call
// exactly one honest outcome: answered, refused by the server ([*Error]), or unanswered ([*CallError]), and if
// unanswered, whether a byte of it may have left. It never reconnects and never resends: what outlives a connection is
// package session's.
package rpc
