// Package core decides what a rotation does next, and does nothing itself.
//
// It is one pure function over one table: [Step] takes a [Machine] and an [Event], and returns the machine that follows and the
// effects to perform. There is no goroutine, clock, randomness, network, file or secret in it, so that a seed replays a run
// byte for byte, and every machine that can be reached can be enumerated.
//
// Who performs the effects does so in their order, and stops at the first one that has an answer: that answer is the next
// event. The effects that always have one are the last of their list. A list that is performed without an answer, or that is
// empty, is the end: see [Machine.Rests].
package core
