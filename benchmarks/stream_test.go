package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ws/holdfast/session"
)

// burst is how many notifications are asked for at once.
const burst = 20_000

// notifications is a subscription whose notifications are asked for, and counted.
type notifications struct {
	ctx     context.Context
	session *session.Session
	ask     streamParams
	got     atomic.Int64  // notifications since the burst began
	full    chan struct{} // all of them have come
	gaps    chan error    // of 1

	patience time.Duration
}

// streamParams ask the wire's peer for notifications.
type streamParams struct{ count, channels int }

func (p streamParams) AppendJSON(dst []byte) ([]byte, error) {
	dst = strconv.AppendInt(append(dst, `{"count":`...), int64(p.count), 10)
	dst = strconv.AppendInt(append(dst, `,"channels":`...), int64(p.channels), 10)
	return append(dst, '}'), nil
}

func newNotifications(b *testing.B, s *session.Session, channels int) *notifications {
	b.Helper()
	return &notifications{
		ctx: b.Context(), session: s, ask: streamParams{burst, channels},
		full: make(chan struct{}, 1), gaps: make(chan error, 1), patience: 10 * time.Second,
	}
}

// channelNames are those of books.
func channelNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("book.SYN-%05d.100ms", i)
	}
	return names
}

// inline subscribes with a handler on the reader's goroutine.
func (n *notifications) inline(b *testing.B, channels []string) {
	b.Helper()
	n.subscribe(b, session.SubscribeConfig{Handler: n.count, OnGap: n.gap}, channels)
}

// ring subscribes with a consumer on a goroutine of its own.
func (n *notifications) ring(b *testing.B, channels []string) {
	b.Helper()
	sub := n.subscribe(b, session.SubscribeConfig{Buffer: burst}, channels)
	ctx, cancel := context.WithCancel(b.Context())
	var consumer sync.WaitGroup
	consumer.Go(func() {
		for notification, err := range sub.Notifications(ctx) {
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				n.gap(err)
			default:
				n.count(notification)
			}
		}
	})
	b.Cleanup(func() {
		cancel()
		consumer.Wait()
	})
}

func (n *notifications) subscribe(b *testing.B, cfg session.SubscribeConfig, channels []string) *session.Subscription {
	b.Helper()
	sub, err := n.session.Subscribe(b.Context(), cfg, channels...)
	if err != nil {
		b.Fatal(err)
	}
	return sub
}

// count looks at the last one alone: to look at each costs a good part of what is measured.
func (n *notifications) count(last session.Notification) {
	if n.got.Add(1) != burst {
		return
	}
	if len(last.Data) < 200 {
		n.gap(fmt.Errorf("%w: the notification is %q", errNothing, last.Data))
		return
	}
	n.full <- struct{}{}
}

func (n *notifications) gap(err error) {
	select {
	case n.gaps <- err:
	default: // one is enough to fail
	}
}

var errMissing = errors.New("benchmarks: notifications are missing")

// chunk asks for a burst and waits for all of it.
func (n *notifications) chunk() (ops int, err error) {
	n.got.Store(0)
	if _, err := n.session.CallRaw(n.ctx, "public/stream", n.ask, nil); err != nil {
		return 0, err
	}
	patience := time.NewTimer(n.patience)
	defer patience.Stop()
	select {
	case <-n.full:
		return burst, nil
	case err := <-n.gaps:
		return 0, fmt.Errorf("%w: %w", errMissing, err)
	case <-patience.C:
		return 0, fmt.Errorf("%w: %d of %d have come", errMissing, n.got.Load(), burst)
	}
}
