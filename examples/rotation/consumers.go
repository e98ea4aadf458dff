package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ws/holdfast/rotate/htmlreport"
	"github.com/holdfast-ws/holdfast/session"
)

// consumer reads one subscription to its end.
type consumer struct {
	sub     *session.Subscription
	session string // its name

	mu       sync.Mutex // protects the fields below
	received map[string]uint64
	gaps     []htmlreport.Gap
	broken   []string
}

// accountChannels are what every session holds of its account.
var accountChannels = []string{"user.orders.any.any.raw", "user.trades.any.any.raw", "user.access_log"}

// subscribe opens a session's two subscriptions: its share of the market's channels, and those of its account.
func subscribe(ctx context.Context, s *session.Session, market []string) ([]*consumer, error) {
	var consumers []*consumer
	for _, channels := range [][]string{market, accountChannels} {
		sub, err := s.Subscribe(ctx, session.SubscribeConfig{Buffer: 1 << 16, BufferBytes: 64 << 20}, channels...)
		if err != nil {
			return nil, err
		}
		consumers = append(consumers, &consumer{sub: sub, session: s.Name(), received: map[string]uint64{}})
	}
	return consumers, nil
}

func (c *consumer) run(ctx context.Context) {
	for n, err := range c.sub.Notifications(ctx) {
		c.note(n, err)
	}
}

func (c *consumer) note(n session.Notification, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gap, isGap := errors.AsType[*session.GapError](err)
	switch {
	case isGap:
		c.gaps = append(c.gaps, htmlreport.Gap{At: time.Now(), Session: c.session, Channel: gap.Channel, Reason: string(gap.Reason)})
	case errors.Is(err, session.ErrClosed):
	case err != nil:
		c.broken = append(c.broken, fmt.Sprintf("subscription: %v", err))
	default:
		c.received[n.Channel]++
	}
}

// tally adds up what all consumers have received, channel by channel.
func tally(consumers []*consumer) (received map[string]uint64, gaps []htmlreport.Gap, broken []string) {
	received = map[string]uint64{}
	for _, c := range consumers {
		c.mu.Lock()
		for channel, n := range c.received {
			received[channel] += n
		}
		gaps = append(gaps, c.gaps...)
		broken = append(broken, c.broken...)
		c.mu.Unlock()
	}
	return received, gaps, broken
}

// compare counts what was published and what of it never came, channel by channel.
func compare(published, received map[string]uint64) (n notifications) {
	for channel, sent := range published {
		got := received[channel]
		n.Published += sent
		n.Received += got
		n.Lost += sent - min(sent, got)
	}
	return n
}
