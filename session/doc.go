// Package session keeps one authenticated session with a Deribit-style exchange alive over any number of connections.
//
// [Dial] returns a [Session] that is ready: connected, authenticated, heartbeat set. Any number of goroutines call
// through it and subscribe on it. When the connection breaks it connects again, authenticates, subscribes again what was
// subscribed, tells each [Subscription] with one [GapError] that notifications may be missing, and is ready again. A call
// that was unanswered when the connection broke is never sent again: its [rpc.CallError] says whether it may have been
// executed.
//
// The secret is asked of a [CredentialSource] at each authentication and never kept, so that package rotate can turn the
// key under a live session. Tokens are renewed before they end. A session that has lost its authority without a word finds
// that out, authenticates, and subscribes again what was silent; a private or raw channel that the exchange has dropped without a word
// is subscribed to again: see [Session.Subscribe].
//
// The exchange ends a session that asks too much of it: [Limits] keep the calls of an account's sessions within what it
// allows.
//
// A [Group] is several sessions of an account behind one Caller and one Subscribe: channels are spread over them, or come over two at
// once, so that losing either connection loses nothing.
package session
