package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// probeInterval is between two looks at what a connection gives by its authority. A look costs one subscribe at most: 3,000 of 30,000
// credits, of which 10,000 come back each second.
const probeInterval = time.Minute

// prober is what the supervisor knows of the authority that a connection uses without a call.
type prober struct {
	due   <-chan time.Time // when to look, nil while nothing relies on it
	auths uint64           // how often the connection had been authenticated at the last look
	done  chan struct{}    // closed when the probe under way is; nil before the first
}

// arm has the supervisor look in a while, unless it is going to.
func (p *prober) arm() {
	if p.due == nil {
		p.due = time.After(probeInterval)
	}
}

// heed is told of channels that were subscribed to.
func (a *authenticator) heed(names []string) {
	if !slices.ContainsFunc(names, needsAuthority) {
		return
	}
	select {
	case a.relied <- struct{}{}:
	default: // the supervisor has not looked yet
	}
}

// probe looks after what the connection gives by its authority, if something relies on it: a session that was evicted, a token that was
// revoked and a channel that was dropped are told by nobody, and a channel without news looks the same as one that is dead.
func (s *Session) probe(t *tending) {
	t.probe.due = nil
	if s.cfg.Credentials == nil { // some endpoints give raw channels to anybody
		return
	}
	if len(s.subs.authorised()) == 0 && !s.cfg.CancelOnDisconnect {
		return
	}
	t.probe.arm()
	l, auths := t.link, t.link.auths.Load()
	// Who has authenticated it since the last look sees to the channels: whatever that leaves is found at the next one.
	isSeenTo := auths != t.probe.auths
	t.probe.auths = auths
	if s.live.Load() != l || t.reopened != nil || t.probe.isUnderWay() {
		return
	}
	done := make(chan struct{})
	t.probe.done = done
	s.work.Go(func() {
		defer close(done)
		var cod, channels error
		if s.cfg.CancelOnDisconnect {
			cod = s.keepCancelling(l.ctx, l)
		}
		if !isSeenTo {
			channels = s.askQuiet(l.ctx, l, auths)
		}
		if err := errors.Join(cod, channels); err != nil && l.ctx.Err() == nil {
			s.log(slog.LevelInfo, "probe of the connection's authority", slog.Any("error", err))
		}
	})
}

func (p *prober) isUnderWay() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// keepCancelling sees to it that cancel on disconnect is as configured. It is a private call: if it is refused for want of authority
// the session authenticates and reclaims its channels.
func (s *Session) keepCancelling(ctx context.Context, l *link) error {
	var now codState
	err := s.linkCall(ctx, l, methodGetCOD, codParams{Scope: codConnection}, &now)
	if err == nil && !now.Enabled {
		s.log(slog.LevelWarn, "cancel on disconnect was off")
		err = l.enableCOD(ctx)
	}
	return err
}

// askQuiet subscribes again to channels of which nothing has come for a while. That puts back what the exchange has dropped, leaves alone
// what lives, and shows that there is authority: where there is none the session authenticates, and reclaims all of them.
func (s *Session) askQuiet(ctx context.Context, l *link, auths uint64) error {
	sent, err := s.putBack(ctx, l, auths)
	switch {
	case errors.Is(err, errLeft): // the next connection has subscribed to all
		return nil
	case s.isFenced(methodSubscribePrivate, err):
		return s.auth.renewRefused(ctx, l, sent)
	}
	return err
}

// putBack asks for quiet channels in one frame, if nobody has authenticated the connection meanwhile. It does not wait a refusal out: who
// reclaims the channels first marks what they may have missed, and needs subscribing for that.
func (s *Session) putBack(ctx context.Context, l *link, auths uint64) (sent mark, err error) {
	if err := l.holdSubscribing(ctx); err != nil {
		return mark{}, err
	}
	defer l.releaseSubscribing()
	names := s.subs.quiet(l.epoch)
	if sent = l.mark(); len(names) == 0 || sent.auths != auths {
		return sent, nil
	}
	s.prove(l, wanted)
	credit, err := s.pools.subscribes.wait(ctx)
	if err != nil {
		return sent, err
	}
	sent = l.mark()
	asked := s.subs.moment()
	var accepted []string
	err = l.call(ctx, methodSubscribePrivate, channelParams{names}, &accepted)
	credit.counted(time.Now())
	switch {
	case err == nil:
		l.logLeftOut(s.accept(l, names, accepted, asked))
	case !lacksAuthority(err) && isForbidden(err):
		_, err = s.regain(ctx, l, names, s.subs.wanted, l.logLeftOut)
	}
	return sent, err
}

// logLeftOut tells, once for each connection, of channels that the exchange does not confirm again. They are not taken for refused: it is
// not documented that a second subscribe lists what lives.
func (l *link) logLeftOut(names []string) {
	if len(names) == 0 || l.leftOut {
		return
	}
	l.leftOut = true
	l.session.log(slog.LevelWarn, "channels were asked for again, and the exchange does not list them: they may be dead", slog.Any("channels", names))
}

// reclaim subscribes the private and raw channels again after an authentication that nobody outside asked for: what it does to
// them is not documented. Where the connection had no authority any more it gave none of them: what the exchange leaves out then has ended.
func (s *Session) reclaim(ctx context.Context, l *link, why need) {
	if err := l.holdSubscribing(ctx); err != nil {
		if l.isLeft() && why == refused {
			s.proveLeft(l)
		}
		return // the next connection has all of them
	}
	defer l.releaseSubscribing()
	s.prove(l, why)
	ctx = Once(ctx) // it has just authenticated: that is not done again for these
	leftOut := l.logLeftOut
	if why == refused {
		leftOut = func(names []string) { s.askAnew(ctx, l, names) }
	}
	names := s.subs.authorised()
	left, err := s.requestAgain(ctx, l, names)
	leftOut(left)
	if isForbidden(err) {
		_, err = s.regain(ctx, l, names, s.subs.wanted, leftOut)
	}
	if err != nil && l.ctx.Err() == nil {
		s.log(slog.LevelWarn, "channels after a re-authentication", slog.Any("error", err))
	}
}

// askAnew is given channels that an answer leaves out where a call was refused for want of authority. The exchange may have ended them, or it
// lists only what is new, and what was refused was that call alone. So it is asked once more after it has taken them back: what it leaves
// out then has ended.
func (s *Session) askAnew(ctx context.Context, l *link, names []string) {
	if len(names) == 0 {
		return
	}
	left := names
	err := s.giveUp(ctx, l, names)
	if err == nil {
		left, err = s.requestAgain(ctx, l, names)
	}
	if err == nil {
		s.refuseLeftOut(left)
	} else if l.ctx.Err() == nil {
		s.log(slog.LevelWarn, "channels left out after a re-authentication", slog.Any("error", err))
	}
}

// prove marks what may have been missed since the channels of a connection were last known to live: where it was without authority for a
// time, or was authenticated since, unless that is known to leave them alone. It is called before they are asked for again, so
// that the mark comes before whatever follows, and by who holds subscribing.
func (s *Session) prove(l *link, why need) {
	if l.conn.Err() != nil {
		return // its loss tells of this too
	}
	now := l.auths.Load()
	renewed := now != l.proved
	l.proved = now
	if why == refused || renewed && !s.cfg.SubscriptionsSurvive {
		s.subs.resumed(l.epoch)
	}
}

// proveLeft marks what a connection that another has taken over from may not have brought, for it was without authority for a time: this was
// found out too late for the handover to see it.
func (s *Session) proveLeft(l *link) {
	isMarked := l.auths.Load() == l.proved && !s.cfg.SubscriptionsSurvive
	if next := s.live.Load(); next != nil && !isMarked {
		s.subs.resumed(next.epoch)
	}
}

// authorised are the desired channels that only an authenticated connection is given.
func (r *registry) authorised() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.channels.all() {
		if ch.isDesired() && needsAuthority(ch.name) {
			names = append(names, ch.name)
		}
	}
	return names
}

// quiet looks at the channels that only an authenticated connection is given, and returns those of epoch of which nothing has come since
// the last look: as many as one frame holds, and those that the exchange has confirmed longest ago first.
func (r *registry) quiet(epoch uint64) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var quiet []*channel
	for ch := range r.channels.all() {
		if !needsAuthority(ch.name) {
			continue
		}
		received := ch.received.Load()
		if received == ch.seen && ch.isDesired() && ch.confirmed.Load() == epoch {
			quiet = append(quiet, ch)
		}
		ch.seen = received
	}
	slices.SortFunc(quiet, func(a, b *channel) int { return cmp.Or(a.sure.Compare(b.sure), strings.Compare(a.name, b.name)) })
	names := make([]string, len(quiet))
	for i, ch := range quiet {
		names[i] = ch.name
	}
	return names[:frameful(names)]
}

func needsAuthority(name string) bool { return isPrivateChannel(name) || isRaw(name) }

// resumed marks a gap in every subscription that has a channel which needs authority, but for books: their chain tells by itself.
func (r *registry) resumed(epoch uint64) {
	tellsNothing := func(name string) bool { return needsAuthority(name) && !isBookWithChain(name) }
	for _, sub := range r.fed([]uint64{epoch}, tellsNothing) {
		sub.gap(&GapError{Reason: GapResumed, Epoch: epoch})
	}
}
