// Package orderbook keeps order books from the messages of the exchange's book channels, and never shows a wrong one: from
// the first doubt to the next complete message a [Book] is [Stale] and has no prices. How old prices may be that nothing casts doubt
// on, for a connection may be silent for a while before it is given up, is for [Book] MaxAge to say.
//
// It takes the three forms in which books come: the snapshot and the changes of book.INSTRUMENT.INTERVAL, whose ids form a
// chain, and the messages of book.INSTRUMENT.GROUP.DEPTH.INTERVAL, each of which is complete.
//
// [Follow] keeps the books of a [session.Subscription]. A Book needs no session: [Book.Apply] takes the data of a message
// from wherever it comes, as from a [session.SubscribeConfig] Handler, with [Book.Invalidate] in its OnGap, and
// [session.Subscription.Resync] where Apply finds the book [Stale] and no snapshot is on its way, as after a gap with Missed above 0.
//
// # Prices are float64
//
// The exchange sends prices and amounts as JSON numbers, which it computes with and documents as such, each written with
// the fewest digits that name it. A float64 holds any decimal of up to 15 digits so that it comes back, and two spellings of one
// number (6.4e4 and 64000, both of which the exchange may send) are one price, which they would not be as texts. Prices are
// compared, never computed: what comes out is what came in.
package orderbook
