// Package rotate turns the secret of an API key while sessions use it: private/reset_api_key, and then every session
// authenticated again with the new secret, in place.
//
// A [Keyring] is the credential source that the sessions share. A [Store] is where the secret is kept durably; package
// filestore has one. A [Rotator] goes through the steps of a rotation, in an order that loses no secret: the secret with
// which the exchange answers is stored before anything else is done with it, tried on a connection of its own before it is
// published, and published before any session uses it.
//
// While the reset is under way nobody knows which secret the exchange takes. The keyring's gate is shut then: a session that must
// authenticate waits at it. Calls do not.
package rotate
