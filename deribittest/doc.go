// Package deribittest is a double of the Deribit exchange for tests: a server that speaks its JSON-RPC API over WebSocket
// and REST.
package deribittest
