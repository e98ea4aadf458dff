// Package deribittest is a double of the Deribit exchange for tests, as net/http/httptest is for HTTP: a server that speaks
// its JSON-RPC API over WebSocket and REST, on loopback or, for testing/synctest, in memory.
//
//	s, err := deribittest.New(deribittest.Config{})
//	...
//	defer s.Close()
//	key := s.AddKey(deribittest.KeyConfig{Name: "trader"})
//	// point a client at s.URL() with key.ClientID and key.Secret
//
// It plays authentication (client_credentials, client_signature, refresh_token; connections and named sessions), API keys
// with their reset and second factor, subscriptions, heartbeats, cancel on disconnect, and a market that trades. It is
// written from the exchange's documents alone. What the documents leave open is a field of [Config], whose zero value is the
// likeliest reading; what a reset does to tokens, subscriptions and connections is [ResetProfile].
//
// With [Config.Limits] requests cost credits, and one too many gets 10028 and ends its connection; [Stats] has what was paid.
//
// [Server.Inject] has things go wrong on command: requests and replies lost, late, doubled or cut off, channels that fall silent,
// sockets that stall or stay half-open, bytes that come one at a time, a clock that is wrong. [Stats] counts what happened.
// [Chaos] is a schedule of such faults that follows from a seed.
//
// [Server.SetPlatform] closes the exchange for maintenance, or to who is not authenticated.
//
// A [Recorder] keeps what was sent, without secrets, and a [Replay] plays it to a client.
//
// It does not play subaccounts. Documented methods that it does not play answer 10033
// (not_implemented), unknown ones -32601. Documented channels that it does not play, such as those of block trades, are left out of
// the answer to a subscribe as unknown ones are.
//
// # Where the documents contradict each other
//
// Published examples, schemas and texts disagree in places. The server sends the form in the last column.
//
//	what                           one text says                  another says                 sent
//	max_scope of an API key        a string (examples, OpenAPI)   a list (newer schema)        a string; Config.MaxScopeList
//	private/get_access_log         {records_total, data} (ex.)    a list (schema)              a list
//	an entry of the access log     field result (example)         field log (schema)           log
//	locked of public/status        a boolean (example)            a string (schema)            a string
//	what else public/status has    locked_currencies (example)    locked_indices (schema)      locked_indices
//	private/get_user_locks         field locked (example)         field enabled (schema)       both
//	client_secret in lists         shown to account:read_write    never included (method page) shown; Config.ListHidesSecrets
//	a missing second factor        a challenge, not an error      error 13668                  a challenge; Config.SecondFactorError
//	reset_api_key's second factor  not needed (method page)       may be (security keys)       asked for when the key is set so
//	id of a reply                  another one (examples)         the request's (overview)     the request's
//	a private call of nobody       10000 (table of errors)        13009 (seen)                 13009; Config.AuthorizationRequired
//	a wrong signature              10000, 13009 (table)           13004 (as a wrong secret)    13004; Config.BadSignatureCode
//	message of 13009               invalid_token (example)        unauthorized (table)         invalid_token for an expired token
//	token of private calls         required in each (overview)    remembered (sessions)        remembered on the connection
//	usIn, usOut, usDiff, testnet   absent (most examples)         present (overview)           present, but in notices of maintenance
//	test_request                   with the heartbeat             after silence (FIX)          with each heartbeat
//	after 10028                    the session ends (limits)      wait 50 ms, cancel (ibid.)   it ends; Limits.KeepConnections
//
// What no text states, and the server decides: a request without id, a batch and other unsound envelopes get 11050; a stale
// timestamp and a nonce used before get the error of a wrong signature; a refresh token lives as long as its access token;
// channels flow on when their authority ends otherwise than by a reset: by expiry, an eviction, a key disabled or narrowed;
// REST counts as one connection, so that connection tokens got over REST work over REST alone; HTTP errors have status 400;
// a reader that is too slow is cut without a frame that says so; the notification's label is params.label; the close codes of
// the WebSocket; that RSA keys sign by PKCS #1 v1.5 over SHA-256, and the fingerprint of a public key is of its DER; that public and
// private subscribes are paid from one pool, cancel_all and its like from another one than other cancels, that a request which is refused costs as much as one that is not; that maintenance refuses every call and every handshake, lets
// connections and heartbeats live, and ends without a word; that public/auth alone is served while public calls need authentication.
package deribittest
