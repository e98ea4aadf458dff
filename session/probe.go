package session

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// probeInterval is how often a connection is asked for its authority while nothing proves it: a call costs 500 of 50,000
// credits, of which 10,000 come back each second.
const probeInterval = time.Minute

// prober is what the supervisor knows of the authority that a connection uses without a call.
type prober struct {
	due      <-chan time.Time // when to look, nil while nothing relies on it
	received uint64           // notifications of private and raw channels at the last look
	done     chan struct{}    // closed when the probe under way is; nil before the first
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

// probe asks whether the connection still has its authority, if something relies on it and nothing has shown it since the
// last look: a session that was evicted and a token that was revoked are told by nobody, and a channel without news looks the
// same as one that is dead.
func (s *Session) probe(t *tending) {
	t.probe.due = nil
	if s.cfg.Credentials == nil { // some endpoints give raw channels to anybody
		return
	}
	channels, received := s.subs.authorised()
	if len(channels) > 0 || s.cfg.CancelOnDisconnect {
		t.probe.arm()
	}
	isQuiet := len(channels) > 0 && received == t.probe.received
	t.probe.received = received
	if !isQuiet && !s.cfg.CancelOnDisconnect || s.live.Load() != t.link || t.probe.isUnderWay() {
		return
	}
	done := make(chan struct{})
	t.probe.done = done
	s.work.Go(func() {
		defer close(done)
		s.verifyAuthority(t.link.ctx, t.link)
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

// verifyAuthority makes a private call, which has the session authenticate and reclaim its channels if it is refused for want
// of authority; any other refusal shows that there is some. It sees to it that cancel on disconnect is as configured, too.
func (s *Session) verifyAuthority(ctx context.Context, l *link) {
	var now codState
	err := s.linkCall(ctx, l, methodGetCOD, codParams{Scope: codConnection}, &now)
	if err == nil && s.cfg.CancelOnDisconnect && !now.Enabled {
		s.log(slog.LevelWarn, "cancel on disconnect was off")
		err = l.enableCOD(ctx)
	}
	if err != nil && l.ctx.Err() == nil {
		s.log(slog.LevelInfo, "probe of the connection's authority", slog.Any("error", err))
	}
}

// reclaim subscribes the private and raw channels again after an authentication that nobody outside asked for: what it does to
// them is not documented.
func (s *Session) reclaim(ctx context.Context, l *link, why need) {
	if err := l.holdSubscribing(ctx); err != nil {
		return // the connection has ended: the next one resumes all
	}
	defer l.releaseSubscribing()
	s.prove(l, why)
	channels, _ := s.subs.authorised()
	refused, err := s.requestAgain(ctx, l, channels)
	s.refuse(refused, nil)
	if err != nil && l.ctx.Err() == nil {
		s.log(slog.LevelWarn, "channels after a re-authentication", slog.Any("error", err))
	}
}

// prove marks what may have been missed since the channels of a connection were last known to live: where it was without authority for a
// time, or was authenticated since, unless that is known to leave them alone. It is called before they are asked for again, so
// that the mark comes before whatever follows, and by who holds subscribing.
func (s *Session) prove(l *link, why need) {
	now := l.auths.Load()
	renewed := now != l.proved
	l.proved = now
	if why == refused || renewed && !s.cfg.SubscriptionsSurvive {
		s.subs.resumed(l.epoch)
	}
}

// authorised are the desired channels that only an authenticated connection is given, and how many notifications all of
// them have had.
func (r *registry) authorised() (names []string, received uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.channels.all() {
		if ch.isDesired() && needsAuthority(ch.name) {
			names = append(names, ch.name)
			received += ch.received.Load()
		}
	}
	return names, received
}

func needsAuthority(name string) bool { return isPrivateChannel(name) || isRaw(name) }

// resumed marks a gap in every subscription that has a channel which needs authority, but for books: their chain tells by itself.
func (r *registry) resumed(epoch uint64) {
	tellsNothing := func(name string) bool { return needsAuthority(name) && !isBookWithChain(name) }
	for _, sub := range r.fed([]uint64{epoch}, tellsNothing) {
		sub.gap(&GapError{Reason: GapResumed, Epoch: epoch})
	}
}
