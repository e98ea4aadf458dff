// Package telemetry reports calls, sessions and rotations to OpenTelemetry. One [Telemetry] observes
// any number of sessions, with their calls, and of rotators:
//
//	tel, err := telemetry.New(telemetry.WithTracerProvider(tp), telemetry.WithMeterProvider(mp))
//	s, err := session.Dial(ctx, session.Config{URL: session.TestURL, Observer: tel})
//	r, err := rotate.New(rotate.Config{Observer: tel})
//
// A bare [rpc.Conn] takes what [Telemetry.Calls] returns.
//
// It uses the OpenTelemetry API alone: the application owns the SDK, its sampling, its views and its exporters.
//
// # Spans
//
//	private/buy …                 CLIENT, one per call, named by its method, linked to the session.connect of its connection
//	session.connect               INTERNAL, with the children session.dial, session.authenticate, session.resume
//	session.subscribe             INTERNAL
//	session.reauthenticate        INTERNAL
//	credentials.rotate            INTERNAL, with a child credentials.rotate.STEP per step: lease, preflight, intent, reset
//	                              or create, store, verify, publish, reauthenticate once per session,
//	                              linked to that session's session.connect, and remove
//
// There is no span per notification, and none that lasts as long as a connection: a step whose parent has ended starts a
// trace of its own, linked to that parent. Calls get spans only where [WithTracerProvider] or [WithCallSpans] asks for
// them, and not below a span of this process that is not sampled.
//
// # What it costs
//
// Per call, with the SDK 1.47 and one machine's nanoseconds: nothing where nothing is reported; 200 ns and no memory for
// metrics, nearly all of it the SDK's; 1.7 µs and 2 KB more for a call that has a span; 0.4 µs and 464 bytes more for one
// that the SDK's sampler turns down, which [WithCallSampling] brings down to 10 ns. Notifications and bytes cost nothing:
// they are counted anyway, and read when metrics are collected.
//
// # Metrics
//
//	rpc.client.call.duration               s          rpc.method, error.type, rpc.status_code, server.address, server.port
//	holdfast.session.status                1          holdfast.session.state; the number of open sessions in it
//	holdfast.session.connect.duration      s          error.type
//	holdfast.session.disconnects           {disconnect} error.type
//	holdfast.session.active_requests       {request}
//	holdfast.session.resent                {request}  rpc.method; calls sent again after a re-authentication
//	holdfast.session.strays                {frame}    holdfast.stray.kind; frames that belong to no waiting call
//	holdfast.heartbeat.rtt                 s          round trip of public/test
//	holdfast.subscription.messages         {message}  holdfast.channel.kind
//	holdfast.subscription.dropped          {message}  holdfast.channel.kind, holdfast.gap.reason
//	holdfast.subscription.gaps             {gap}      holdfast.channel.kind, holdfast.gap.reason
//	holdfast.credentials.rotation.duration s          holdfast.rotation.trigger, error.type
//	holdfast.credentials.token.remaining   s          the least of all open sessions
//	holdfast.network.io                    By         network.io.direction
//
// The names of the first follow the RPC conventions of OpenTelemetry 1.45, whose buckets it has too, with finer ones below
// 5 ms. Every set of attributes is closed: methods outside the known set are _OTHER, channels are told by their kind, and
// 256 combinations of method and outcome are told apart. Where the server refused, rpc.status_code goes with error.type.
//
// holdfast.rotation.trigger is rotate, recover or check. holdfast.rotation.outcome, on its span, is rotated, recovered, checked,
// unchanged, aborted, degraded, unfinished or locked out.
//
// # Errors
//
// error.type is the code of an error object, the HTTP status of a refused handshake, or a name:
//
//	calls        timeout, canceled, connection_lost, silent, session_closed, not_ready, rate_limited, write_failed, too_many_pending,
//	             draining, encode, decode, malformed, message_too_big, close_NNNN (the code with which the peer closed the connection; from 3000 on its
//	             thousand, as close_4xxx)
//	sessions     those, connection_failed, scope, refused, clock_skew, config, no_credentials
//	rotations    those, locked_out, unsaved, unknown_outcome, degraded, leftover_key, key_in_use, lease_held, lease_lost, second_factor, hook,
//	             preflight, not_executed, unfinished, mismatch, unexpected_reply, store_empty, store_conflict, store_corrupt, stale_generation,
//	             rotator_closed
//
// or what the ErrorType method of an error of others says, and else _OTHER. The text of an error is never reported, since it
// may quote what it met: descriptions are fixed, but for the message of an error object, which is reported if it is plain
// words.
package telemetry
