// Package rotate turns the secret of an API key while sessions use it: private/reset_api_key, and then every session
// authenticated again with the new secret, in place.
//
// A [Keyring] is the credential source that the sessions share. A [Store] is where the secret is kept durably; package
// filestore has one. A [Rotator] goes through the steps of a rotation, in an order that loses no secret: the secret with
// which the exchange answers is stored before anything else is done with it, tried on a connection of its own before it is
// published, and published before any session uses it.
//
//	lease           this rotator alone works on the key
//	preflight       sessions ready, clock right, key found, store writable: what can be checked before is
//	intent          the store says that a reset may be under way
//	reset           the exchange changes the secret, and shows the new one once
//	store           the new secret is durable, as a candidate
//	verify          the exchange takes it, on a throwaway connection
//	publish         it is the current one in the store and in the keyring; the intent is cleared
//	reauthenticate  one session alone, then several at once; their subscriptions are verified
//
// From just before the reset until the publication nobody knows which secret the exchange takes. The keyring's gate is shut
// then: a session that must authenticate waits at it. Calls do not.
//
// # When something fails
//
// Before the reset nothing has changed, and the error says what to do. A refusal of the exchange that was surely not
// executed ends the rotation as well. In every other case the answer may be lost while the old secret is dead: the
// secrets that are known are then tried, newest first, and the exchange is the only judge of them. A network or a store that
// is down is waited for. What a crash leaves is taken up by [Rotator.Recover].
//
// If the answer is lost, or the process dies before it is stored, whoever has the authority resets the key once more: see
// [Config.Authority] and [Config.TokensSurvive]. Where nobody has, a [LockedOutError] prints the steps for a person; nothing that still
// works is torn down.
//
// # Another key instead
//
// With [Replace] as the Config's Strategy the key is not reset: a second one takes its place, and then the first is removed. Both work in
// between, so that nobody can be locked out, and it is how asymmetric keys are turned.
package rotate
