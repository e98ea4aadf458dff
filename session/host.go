package session

import (
	"context"
	"log/slog"
	"slices"
)

// host is what subscriptions live on: a Session, or a Group of them.
type host interface {
	registry() *registry
	// obtain returns when the exchange has confirmed channels that a subscription in the registry wants.
	obtain(ctx context.Context, names []string) error
	// release takes channels back from the exchange, as far as still nobody wants them.
	release(ctx context.Context, names []string) error
	// mend has it looked which books are owed a snapshot; it waits for nothing.
	mend()
	// later runs f on a goroutine that the host waits for, with its ctx, unless it is ending: then it reports false.
	later(f func(ctx context.Context)) bool
	observeGap(gap *GapError)
	log(level slog.Level, msg string, attrs ...slog.Attr)
}

var (
	_ host = (*Session)(nil)
	_ host = (*Group)(nil)
)

func (s *Session) registry() *registry { return s.subs }

func (s *Session) obtain(ctx context.Context, names []string) error { return s.ensure(ctx, names) }

// release leaves it to settle while the session is not ready.
func (s *Session) release(ctx context.Context, names []string) error {
	l := s.live.Load()
	if l == nil {
		return nil
	}
	return s.takeBack(ctx, l, names)
}

func (s *Session) later(f func(ctx context.Context)) bool {
	return s.spawn(s.ctx, f)
}

// within is ctx until life ends too: that of the connection, say, which serves who asked.
func within(ctx, life context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// subscribe makes a subscription on h, of which isPrivate says whether it may have private channels.
func subscribe(ctx context.Context, h host, isPrivate bool, cfg SubscribeConfig, channels []string) (*Subscription, error) {
	names := slices.Compact(slices.Sorted(slices.Values(channels)))
	if err := checkChannels(names, isPrivate); err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if cfg.Policy == Conflate {
		if err := checkComplete(names); err != nil {
			return nil, err
		}
		cfg.Buffer = len(names)
	}
	sub := &Subscription{host: h, handler: cfg.Handler, onGap: cfg.OnGap, names: names}
	if cfg.Handler == nil {
		sub.ring = newRing(cfg.Policy, cfg.Buffer, cfg.BufferBytes)
	}
	subs := h.registry()
	if err := subs.add(sub); err != nil {
		return nil, err
	}
	if err := h.obtain(ctx, names); err != nil {
		sub.abandon(ctx, err)
		return nil, err
	}
	if err := sub.hand(names); err != nil {
		sub.abandon(ctx, err)
		return nil, err
	}
	if subs.isLate(names) {
		h.mend()
	}
	return sub, nil
}
