package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-ws/holdfast/rpc"
)

// Limits of the exchange.
const (
	// maxFrame is the longest frame that the exchange takes; it answers a longer one with an error that has no id.
	maxFrame = 32 << 10
	// maxChannels is how many channels one subscribe may name.
	maxChannels = 500
	// maxNames bounds the bytes of the names in one subscribe, so that the frame stays below maxFrame.
	maxNames = 30 << 10
	// A subscribe costs 3,000 of 30,000 credits, of which 10,000 come back each second. All of them are used where nobody else needs
	// any: Limits.Exclusive.
	documentedBurst    = 10
	documentedInterval = 300 * time.Millisecond
	subscribeBurst     = 8
	subscribeInterval  = 310 * time.Millisecond
)

type channelParams struct {
	Channels []string `json:"channels"`
}

// ensure returns when the exchange has confirmed channels, over as many connections as that takes. Those that nobody had before are
// left to it by who resumes: the exchange may refuse them, and its caller is told.
func (s *Session) ensure(ctx context.Context, names []string) error {
	defer s.subs.asking(names)()
	for {
		l, err := s.waitLink(ctx)
		if err != nil {
			return err
		}
		refused, err := s.subscribe(ctx, l, names)
		switch {
		case err == nil && len(refused) == 0:
			// If it has ended, its loss may have been told before it was known to bring these channels.
			if l.conn.Err() == nil {
				return nil
			}
		case err == nil:
			return &SubscribeError{Refused: refused}
		case ctx.Err() != nil || s.ctx.Err() != nil || l == s.present():
			return err
		}
		// The connection went down meanwhile. The next one has resumed those of the channels that others have, too.
	}
}

// subscribe asks for those of names that l has not confirmed, and returns the ones that the exchange left out.
func (s *Session) subscribe(ctx context.Context, l *link, names []string) (refused []string, err error) {
	if err := l.holdSubscribing(ctx); err != nil {
		return nil, err
	}
	defer l.releaseSubscribing()
	names = s.subs.missing(l.epoch, names)
	if len(names) == 0 {
		return nil, nil
	}
	ctx, ended := s.step(ctx, Step{Kind: StepSubscribe, Epoch: l.epoch, Generation: l.generation.Load(), Channels: len(names)})
	// Who had these books before has left, and they have not been taken back yet.
	if err = s.giveUp(ctx, l, l.served.of(names)); err == nil {
		refused, err = s.request(ctx, l, names)
	}
	ended(StepEnd{Err: err, Confirmed: len(names) - len(refused)})
	return refused, err
}

// request subscribes names in as few frames as the exchange allows, and notes what it confirms: the private ones one after the other,
// then the public ones without waiting for answers. It sends none after one has failed.
func (s *Session) request(ctx context.Context, l *link, names []string) (refused []string, err error) {
	privates, publics := byAuthority(names)
	for chunk := range frames(privates) {
		left, err := s.requestFrame(ctx, l, methodSubscribePrivate, chunk)
		refused = append(refused, left...)
		if err != nil {
			return refused, err
		}
	}
	asked, failed := errgroup.WithContext(ctx)
	var mu sync.Mutex // protects refused
	var unsent error
	for chunk := range frames(publics) {
		credit, err := s.pools.subscribes.wait(failed)
		if err != nil {
			unsent = err
			break
		}
		asked.Go(func() (err error) {
			s.labelled(ctx, func(ctx context.Context) {
				var left []string
				left, err = s.askFrame(ctx, l, methodSubscribePublic, chunk, credit)
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, left...)
			})
			return err
		})
	}
	if err := asked.Wait(); err != nil {
		return refused, err
	}
	return refused, unsent
}

func (s *Session) requestFrame(ctx context.Context, l *link, method string, names []string) (refused []string, err error) {
	credit, err := s.pools.subscribes.wait(ctx)
	if err != nil {
		return nil, err
	}
	return s.askFrame(ctx, l, method, names, credit)
}

// askFrame subscribes names in one frame, whose turn it is by a credit: that is counted as soon as there is an answer, for others wait for
// it, and so does what comes of a refusal.
func (s *Session) askFrame(ctx context.Context, l *link, method string, names []string, paid credit) (refused []string, err error) {
	asked, sent := s.subs.moment(), l.mark()
	var accepted []string
	err = l.call(ctx, method, channelParams{names}, &accepted)
	paid.counted(time.Now())
	again, err := s.waitOut(ctx, l, method, sent, err)
	if again {
		s.pools.subscribes.reserve(time.Now()) // what was refused has been paid for: who comes later waits in place of this one
		err = l.call(ctx, method, channelParams{names}, &accepted)
	}
	if mayHaveLeft(err) { // and they may be served: who subscribes next is sent no snapshot
		l.served.add(names)
	}
	if err != nil {
		return nil, err
	}
	return s.accept(l, names, accepted, asked), nil
}

// mayHaveLeft reports whether a call may have been executed that was not answered.
func mayHaveLeft(err error) bool {
	failed, ok := errors.AsType[*rpc.CallError](err)
	return ok && failed.Outcome != rpc.NotSent
}

// accept notes what the exchange, asked at a moment, has confirmed of names, and returns what it left out.
func (s *Session) accept(l *link, names, accepted []string, asked uint64) (refused []string) {
	wanted, confirmed := set(names), set(accepted)
	accepted = slices.DeleteFunc(accepted, func(n string) bool { return !wanted[n] })
	s.subs.confirm(l.epoch, accepted, asked)
	s.auth.heed(accepted)
	l.served.add(accepted)
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return confirmed[n] })
}

// linkCall makes a call of the session's own over l. A refusal for want of authority is waited out as for any other call,
// but over no other connection.
func (s *Session) linkCall(ctx context.Context, l *link, method string, params, result any) error {
	sent := l.mark()
	err := l.call(ctx, method, params, result)
	if again, err := s.waitOut(ctx, l, method, sent, err); !again {
		return err
	}
	return l.call(ctx, method, params, result)
}

// waitOut has a connection authenticated over which a call was refused for want of authority, and reports whether it is to be made again.
func (s *Session) waitOut(ctx context.Context, l *link, method string, sent mark, refusal error) (again bool, err error) {
	if !s.isFenced(method, refusal) || ctx.Value(onceKey{}) != nil {
		return false, refusal
	}
	if renewErr := s.auth.renewRefused(ctx, l, sent); l.auths.Load() == sent.auths {
		return false, unrenewed{errors.Join(refusal, renewErr)}
	}
	return true, nil
}

// unrenewed is a refusal for want of authority over a connection that could not be authenticated again: it may pass.
type unrenewed struct{ error }

func (e unrenewed) Unwrap() error { return e.error }

// byAuthority parts names into private channels and public ones.
func byAuthority(names []string) (privates, publics []string) {
	for _, name := range names {
		if isPrivateChannel(name) {
			privates = append(privates, name)
		} else {
			publics = append(publics, name)
		}
	}
	return privates, publics
}

// chunks yields names in chunks that fit into one frame, with the method to use for each: private channels first.
func chunks(names []string, private, public string) iter.Seq2[string, []string] {
	privates, publics := byAuthority(names)
	return func(yield func(string, []string) bool) {
		for chunk := range frames(privates) {
			if !yield(private, chunk) {
				return
			}
		}
		for chunk := range frames(publics) {
			if !yield(public, chunk) {
				return
			}
		}
	}
}

// frames yields names in chunks that fit into one frame.
func frames(names []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for len(names) > 0 {
			n := frameful(names)
			if !yield(names[:n]) {
				return
			}
			names = names[n:]
		}
	}
}

// frameful is how many of names fit into one frame. The first always counts: what no frame can hold is refused when it is sent.
func frameful(names []string) int {
	size := 0
	for i, name := range names {
		size += len(name) + len(`"",`)
		if i == maxChannels || i > 0 && size > maxNames {
			return i
		}
	}
	return len(names)
}

// resume subscribes on a fresh connection to all that is desired, but for what is asked for the first time: see ensure. A channel
// that the exchange refuses now is taken off its subscriptions, which are told: an instrument may have expired while the session
// was away.
func (s *Session) resume(ctx context.Context, l *link) error {
	names := s.subs.unconfirmed(l.epoch)
	l.resumed = names
	ctx, ended := s.step(ctx, Step{Kind: StepResume, Epoch: l.epoch, Generation: l.generation.Load(), Channels: len(names)})
	missing := func(names []string) []string { return s.subs.missing(l.epoch, names) }
	refused, err := s.regain(ctx, l, names, missing, s.refuseLeftOut)
	ended(StepEnd{Err: err, Confirmed: len(names) - refused})
	if err != nil {
		return fmt.Errorf("session: resume: %w", err)
	}
	return nil
}

// regain subscribes those of names that are still to be, and returns how many the exchange refused. Where it refuses a
// whole frame for good it is asked for each half, so that one channel does not keep all others away. leftOut is given what its answers
// leave out.
func (s *Session) regain(
	ctx context.Context, l *link, names []string, still func([]string) []string, leftOut func([]string),
) (refused int, err error) {
	names = still(names)
	left, err := s.request(ctx, l, names)
	leftOut(left)
	switch {
	case !isForbidden(err):
		return len(left), err
	case len(names) == 1:
		if lacksAuthority(err) && !s.hasAuthority(ctx, l) {
			return 0, err
		}
		s.refuse(names, err)
		return 1, nil
	}
	ctx = Once(ctx) // another authentication for each half would be of no more use
	first, err := s.regain(ctx, l, names[:len(names)/2], still, leftOut)
	if err != nil {
		return first, err
	}
	second, err := s.regain(ctx, l, names[len(names)/2:], still, leftOut)
	return len(left) + first + second, err
}

// passing are refusals that say nothing of what was asked for: failures that the exchange does not explain, and public calls that it
// takes from nobody for a time.
var passing = []rpc.Code{rpc.CodeInternal, 10001, 11094, 13503, CodeUnauthenticatedPublic}

// isForbidden reports whether the exchange will refuse the same subscribe again: it may be repeated, so that it does not matter
// whether anything of it was executed. A refusal for want of authority is one if the connection was authenticated before it, as far
// as it can be.
func isForbidden(err error) bool {
	refusal, ok := errors.AsType[*rpc.Error](err)
	if _, passes := errors.AsType[unrenewed](err); !ok || passes || slices.Contains(passing, refusal.Code) {
		return false
	}
	return refusal.Class() == rpc.ClassPermanent || lacksAuthority(err)
}

// lacksAuthority reports whether the exchange refused a call for want of authority.
func lacksAuthority(err error) bool {
	refusal, ok := errors.AsType[*rpc.Error](err)
	return ok && refusal.Class() == rpc.ClassReauthenticate
}

// hasAuthority reports whether the exchange refuses nothing over a connection for want of authority that the session's key has.
func (s *Session) hasAuthority(ctx context.Context, l *link) bool {
	if s.cfg.Credentials == nil {
		return true
	}
	err := l.call(ctx, methodGetCOD, codParams{Scope: codConnection}, nil)
	refusal, isRefusal := errors.AsType[*rpc.Error](err)
	return err == nil || isRefusal && (refusal.Code == CodeForbidden || refusal.Code == CodeScopeExceeded)
}

// refuseLeftOut is refuse for what an answer leaves out that was asked for anew.
func (s *Session) refuseLeftOut(names []string) { s.refuse(names, nil) }

// refuse takes channels that the exchange does not accept any more off their subscriptions.
func (s *Session) refuse(names []string, err error) {
	if len(names) == 0 {
		return
	}
	s.log(slog.LevelWarn, "channels refused", slog.Any("channels", names), slog.Any("reason", err))
	s.subs.refuse(names, err)
}

// holdSubscribing keeps the order of what is asked for the same channel on a ready connection: a subscribe must not be
// overtaken by the unsubscribe of who had the channel before.
func (l *link) holdSubscribing(ctx context.Context) error {
	select {
	case l.subscribing <- struct{}{}:
		return nil
	case <-l.left:
		return errLeft
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) releaseSubscribing() { <-l.subscribing }

// ChannelStatus is what a verification found of a channel.
type ChannelStatus struct {
	Channel   string
	Confirmed bool // the exchange confirmed the subscription just now
	// Note says how a channel that was not asked about is known to live, or why a channel is not confirmed.
	Note string
}

// VerifySubscriptions asks the exchange to confirm the private and raw channels of the session again, as one does after a
// re-authentication: what an exchange does to them then is not documented, and its confirmation does not tell whether a channel was
// live. So each that was subscribed to over a connection which has authenticated again since is marked by a [GapError], once, unless
// [Config.SubscriptionsSurvive] is set. Asking again for a channel that is live
// changes nothing, but for a raw book, which may have a second snapshot. Other books need no authentication, and are not asked
// about: their chain of change ids proves them, see [Session.Channels].
func (s *Session) VerifySubscriptions(ctx context.Context) ([]ChannelStatus, error) {
	l, err := s.waitLink(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.holdSubscribing(ctx); errors.Is(err, errLeft) {
		return s.VerifySubscriptions(ctx)
	} else if err != nil {
		return nil, err
	}
	defer l.releaseSubscribing()
	s.prove(l, wanted)
	var ask []string
	var found []ChannelStatus
	for _, ch := range s.subs.all() {
		switch {
		case !ch.isDesired():
		case needsAuthority(ch.name):
			ask = append(ask, ch.name)
		case ch.chain.isBook:
			found = append(found, ChannelStatus{Channel: ch.name, Note: "proved by its chain of change ids"})
		default:
			found = append(found, ChannelStatus{Channel: ch.name, Note: "public: needs no authentication"})
		}
	}
	refused, err := s.requestAgain(ctx, l, ask)
	for _, name := range ask {
		status := ChannelStatus{Channel: name, Confirmed: err == nil && !slices.Contains(refused, name)}
		if !status.Confirmed {
			status.Note = "the exchange did not confirm it"
		}
		found = append(found, status)
	}
	return found, err
}

// requestAgain asks by private/subscribe for public channels too, which the exchange allows: each frame costs credits that all
// sessions of the account share.
func (s *Session) requestAgain(ctx context.Context, l *link, names []string) (refused []string, err error) {
	for chunk := range frames(names) {
		left, err := s.requestFrame(ctx, l, methodSubscribePrivate, chunk)
		refused = append(refused, left...)
		if err != nil {
			return refused, err
		}
	}
	return refused, nil
}
