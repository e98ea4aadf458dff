package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// SubscribeConfig configures a subscription. Its zero value works. What would have no effect is refused with [ErrConfig]: a Buffer,
// BufferBytes or a Policy beside a Handler, OnGap without one, and a Buffer beside Conflate.
type SubscribeConfig struct {
	// Handler, if set, is given each notification on the reader's goroutine, in place of the stream of Notifications: it
	// has the lowest latency, delays everything else of the session while it runs, and must not call the session. Gaps go to
	// OnGap.
	Handler func(Notification)
	// OnGap is told of gaps when there is a Handler, of channels that the exchange refused after a reconnect, and why the subscription ended,
	// unless by Close, but not of what Subscribe itself returns. Whichever goroutine of the session finds out calls it, also while
	// Handler runs, and must not wait in it.
	OnGap func(error)
	// Buffer is how many notifications wait for a slow consumer, and BufferBytes how many bytes of them; 0 means 1024
	// and 16 MiB. A single message waits whatever its length.
	Buffer      int
	BufferBytes int
	// Policy is what becomes of a consumer that is slower than that.
	Policy Policy
}

// maxChannelName bounds a channel's name in bytes.
const maxChannelName = 128

func (c SubscribeConfig) withDefaults() SubscribeConfig {
	if c.Buffer <= 0 {
		c.Buffer = 1024
	}
	if c.BufferBytes <= 0 {
		c.BufferBytes = 16 << 20
	}
	return c
}

func (c SubscribeConfig) validate() error {
	switch {
	case c.Handler != nil && (c.Buffer != 0 || c.BufferBytes != 0 || c.Policy != DropOldest):
		return fmt.Errorf("%w: Subscribe: with a Handler nothing is buffered: leave Buffer, BufferBytes and Policy out", ErrConfig)
	case c.Handler == nil && c.OnGap != nil:
		return fmt.Errorf("%w: Subscribe: OnGap is for a Handler: Notifications has gaps in its stream", ErrConfig)
	case c.Policy == Conflate && c.Buffer != 0:
		return fmt.Errorf("%w: Subscribe: Conflate has one place for each channel: leave Buffer out", ErrConfig)
	case c.Policy > Conflate:
		return fmt.Errorf("%w: Subscribe: Policy: there is no %d", ErrConfig, c.Policy)
	}
	return nil
}

// Subscription is a stream of the notifications of some channels, over all connections of its session or [Group].
type Subscription struct {
	alone   listeners // of a channel that nobody else listens to: it alone; set by the registry
	itself  [1]*Subscription
	handler func(Notification)
	ring    *ring // nil if there is a handler
	host    host
	onGap   func(error)

	names []string // protected by the registry's lock, replaced rather than changed

	mu       sync.Mutex // protects the fields below
	err      error      // why the subscription ended
	returned bool       // Subscribe has returned it: what comes now is told by the stream, or OnGap
	refusal  error      // of some of the channels before that, for Subscribe to return; nil if the exchange gave none
}

// Subscribe asks the exchange for channels and returns when it has accepted all of them. Notifications that come before
// that are kept. If the exchange leaves out any channel, which is how it refuses, none is kept and the error is a
// [*SubscribeError].
//
// After a reconnect the session subscribes again by itself and the stream holds one [*GapError]. A channel that others of
// this session are subscribed to already is shared.
//
// Private channels, and raw ones of a session with Credentials, are asked for again while nothing comes of them: once a minute those that
// were quiet for a minute, up to 500 in one frame, those first that were confirmed longest ago. One that the exchange has dropped without
// a word is thereby back within two minutes, and a minute later for each 500 quiet channels more. The answer is the same for a channel
// that was dropped and for one that has no news, so nobody can tell whether anything was missed meanwhile, and there is no [*GapError]: who
// must know asks the exchange (private/get_open_orders, say) now and then. A frame that the exchange refuses ends the
// channels that are at fault with a [*SubscribeError], as after a reconnect; what an answer leaves out goes on, and the Logger is told, for
// it is not documented what a second subscribe answers and sends. A snapshot that comes again is delivered. All this holds for the asking
// that follows a renewal of the token, too. Where the exchange had ended the authority of the connection, which then was given nothing
// private or raw, what is left out of the answer that follows has ended, with a [*SubscribeError].
//
// A book that is told by its changes (book.INSTRUMENT.INTERVAL) begins with a snapshot, also for who shares it: the session
// then has the book begin anew, for the exchange sends a snapshot to nobody who is subscribed, and the others find a
// [*GapError] with [GapResync] before it, if they missed anything. Where the chain of change ids breaks the session does
// the same: after the [*GapError] come a snapshot and what follows it. What the chain repeats is left out. The exchange is
// asked at once, and then with growing pauses of up to a minute for each book.
//
// Other errors are those of [Session.Call], [ErrConfig] for a name that cannot be a channel's or a config that cannot be, or why the
// session is closed.
func (s *Session) Subscribe(ctx context.Context, cfg SubscribeConfig, channels ...string) (*Subscription, error) {
	return subscribe(ctx, s, s.cfg.Credentials != nil, cfg, channels)
}

// Resync has one of the subscription's books (book.INSTRUMENT.INTERVAL) begin anew, and returns at once: nothing more comes of
// it until its next snapshot. It is for who has missed changes by its own doing: after a [GapError] with Missed above 0, whatever its
// reason, for the snapshot may be among what was dropped; and for who threw a book away at a [GapResumed], which is not about books. After
// other gaps the snapshot comes by itself. Other subscriptions of the book find a [*GapError] with [GapResync] in their streams, if
// they missed anything. A Handler may call it. It returns [ErrConfig] for what is no such book of the subscription.
func (sub *Subscription) Resync(channel string) error {
	if !sub.host.registry().postpone(sub, channel) {
		return fmt.Errorf("%w: Resync: %q is no book of this subscription that is told by its changes", ErrConfig, channel)
	}
	sub.host.mend()
	return nil
}

// hand has Subscribe return the subscription, unless it has ended or lost channels by what others did meanwhile: then Subscribe
// returns that, and nobody else is told.
func (sub *Subscription) hand(names []string) error {
	kept := set(sub.Channels())
	lacks := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return kept[n] })
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch ended, isRefusal := errors.AsType[*SubscribeError](sub.err); {
	case isRefusal:
		return &SubscribeError{Refused: lacks, Err: cmp.Or(sub.refusal, ended.Err)}
	case sub.err != nil:
		return sub.err
	case len(lacks) > 0:
		return &SubscribeError{Refused: lacks, Err: sub.refusal}
	}
	sub.returned = true
	return nil
}

// keep has Subscribe return why channels were refused, and reports whether it still can.
func (sub *Subscription) keep(err *SubscribeError) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.returned {
		return false
	}
	sub.refusal = cmp.Or(sub.refusal, err.Err)
	return true
}

func checkChannels(names []string, isPrivate bool) error {
	if len(names) == 0 {
		return fmt.Errorf("%w: Subscribe: no channels", ErrConfig)
	}
	for _, name := range names {
		switch {
		case name == "" || len(name) > maxChannelName:
			return fmt.Errorf("%w: Subscribe: a channel's name has 1 to %d bytes, not %d", ErrConfig, maxChannelName, len(name))
		case isPrivateChannel(name) && !isPrivate:
			return fmt.Errorf("session: subscribe %s: %w", name, ErrNoCredentials)
		}
	}
	return nil
}

// checkComplete refuses channels of which a message alone does not say how things stand.
func checkComplete(names []string) error {
	for _, name := range names {
		if isBookWithChain(name) || strings.HasPrefix(name, "incremental_ticker.") {
			return fmt.Errorf("%w: Subscribe: Conflate: %s is told by its changes, each of which counts", ErrConfig, name)
		}
	}
	return nil
}

// Handle adds a handler to a channel, on the reader's goroutine: it has the lowest latency, delays everything else of the
// session while it runs, and must not call the session. It subscribes to nothing: it sees what some Subscribe of this
// session brings, which of a book is nothing between a break of its chain and the next snapshot. The function that it
// returns removes it; the handler may be under way then, and be called once more.
func (s *Session) Handle(channel string, fn func(Notification)) (remove func()) {
	return s.subs.tap(channel, fn)
}

// Channels returns the channels that the subscription still has; the caller owns the slice.
func (sub *Subscription) Channels() []string {
	subs := sub.host.registry()
	subs.mu.Lock()
	defer subs.mu.Unlock()
	return slices.Clone(sub.names)
}

// Notifications is the stream, for one consumer at a time. An error in the stream stands in the place of what it tells
// of: after a [*GapError] the stream goes on; after a [*SubscribeError], with which the exchange refused channels after a
// reconnect, it goes on with the other channels. After any other error, and after a Fail policy's GapError, it is over;
// [Subscription.Err] then is not nil. It ends with ctx's error when ctx ends, and may then be taken up again; after
// [Subscription.Close] it ends without an error.
func (sub *Subscription) Notifications(ctx context.Context) iter.Seq2[Notification, error] {
	return func(yield func(Notification, error) bool) {
		if sub.ring == nil {
			yield(Notification{}, fmt.Errorf("%w: Notifications: the subscription has a Handler", ErrConfig))
			return
		}
		var e entry
		for sub.ring.take(ctx, &e) {
			if !yield(e.notification(), e.err) {
				return
			}
		}
		if !errors.Is(e.err, ErrUnsubscribed) {
			yield(Notification{}, e.err)
		}
	}
}

// Err is nil while the subscription lives, and then why it ended: [ErrUnsubscribed] after Close, a [*SubscribeError] if
// the exchange refused its last channel, a Fail policy's [*GapError], or why the session is closed.
func (sub *Subscription) Err() error {
	sub.mu.Lock()
	err := sub.err
	sub.mu.Unlock()
	if err == nil && sub.ring != nil {
		err = sub.ring.ended()
	}
	return err
}

// Close ends the subscription and unsubscribes from the channels that no other subscription of the session has. It
// returns what the exchange answered, and an [*rpc.CallError] if it answered nothing over a connection that lives. ctx bounds the wait for
// that: when it ends, Close returns ctx's error, and the exchange is told all the same. The subscription has ended in any case.
func (sub *Subscription) Close(ctx context.Context) error {
	if !sub.end(ErrUnsubscribed) {
		return nil
	}
	return sub.leave(ctx)
}

// abandon undoes a Subscribe that failed.
func (sub *Subscription) abandon(ctx context.Context, err error) {
	sub.end(err)
	if err := sub.leave(ctx); err != nil && ctx.Err() == nil {
		sub.logUnsubscribe(err)
	}
}

// leave takes the subscription off its channels, and those back from the exchange that nobody wants any more. Who has no time to wait
// for that is not needed for it.
func (sub *Subscription) leave(ctx context.Context) error {
	names := sub.host.registry().drop(sub, sub.Channels())
	if len(names) == 0 {
		return nil
	}
	answer := make(chan error)
	isLeft := sub.host.later(func(host context.Context) {
		asking, over := within(context.WithoutCancel(ctx), host)
		defer over()
		err := sub.host.release(asking, names)
		select {
		case answer <- err:
		case <-ctx.Done(): // nobody waits for it
			if err != nil {
				sub.logUnsubscribe(err)
			}
		}
	})
	if !isLeft {
		return nil // the host ends, and its connections with it
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (sub *Subscription) logUnsubscribe(err error) {
	sub.host.log(slog.LevelInfo, "unsubscribe", slog.Any("error", err))
}

// push hands on a notification, on the reader's goroutine.
func (sub *Subscription) push(ch *channel, n Notification) {
	if sub.handler != nil {
		sub.handler(n)
		return
	}
	if began := sub.ring.push(ch, n); began != nil {
		sub.host.observeGap(began)
	}
}

// gap marks a possible loss.
func (sub *Subscription) gap(gap *GapError) {
	sub.host.observeGap(gap)
	switch {
	case sub.ring != nil:
		sub.host.observeGap(sub.ring.gap(gap))
	case sub.onGap != nil:
		sub.onGap(gap)
	}
}

// refused tells of channels that the exchange did not accept again; without any channel left the subscription is over.
func (sub *Subscription) refused(err *SubscribeError) {
	switch {
	case len(sub.Channels()) == 0:
		sub.finish(err)
	case sub.keep(err):
	case sub.ring != nil:
		sub.ring.notice(err)
	case sub.onGap != nil:
		sub.onGap(err)
	}
}

// finish ends the subscription with err, and tells it where there is a Handler.
func (sub *Subscription) finish(err error) {
	if sub.end(err) && sub.onGap != nil && sub.isReturned() {
		sub.onGap(err)
	}
}

func (sub *Subscription) isReturned() bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.returned
}

// end ends the subscription with err, and reports whether it had not ended before.
func (sub *Subscription) end(err error) bool {
	sub.mu.Lock()
	ended := sub.err != nil
	if !ended {
		sub.err = err
	}
	sub.mu.Unlock()
	if !ended && sub.ring != nil {
		sub.ring.close(err)
	}
	return !ended
}
