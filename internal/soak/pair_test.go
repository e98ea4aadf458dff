package main_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	main "github.com/holdfast-ws/holdfast/internal/soak"
	"github.com/holdfast-ws/holdfast/rpc"
	"github.com/holdfast-ws/holdfast/session"
	"github.com/holdfast-ws/holdfast/session/transport/leanws"
)

func TestPairLosesNothing(t *testing.T) { keeps(t, main.Pair{For: 3 * time.Second}) }

func fewCuts() main.Pair { return main.Pair{For: time.Second} }

// chosen is which notifications are dropped or repeated: each third of a channel.
type chosen struct {
	mu     sync.Mutex // protects the fields below
	seen   map[string]int
	before map[string]session.Notification // the one before it, which is told again behind it
}

func newChosen() *chosen {
	return &chosen{seen: map[string]int{}, before: map[string]session.Notification{}}
}

// is reports whether n is chosen.
func (c *chosen) is(n session.Notification) bool {
	c.seen[n.Channel]++
	return c.seen[n.Channel]%3 == 0
}

func (c *chosen) drop(n session.Notification) []session.Notification {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is(n) {
		return nil
	}
	return []session.Notification{n}
}

func (c *chosen) repeat(n session.Notification) []session.Notification {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is(n) {
		return []session.Notification{n, c.before[n.Channel]}
	}
	one := n
	one.Data = slices.Clone(n.Data)
	c.before[n.Channel] = one
	return []session.Notification{n}
}

func TestPairFindsFaults(t *testing.T) {
	end := make(chan struct{})
	var left sync.WaitGroup
	defer left.Wait()
	defer close(end)
	both := fewCuts()
	both.Both = true
	faulty := func(fault func(session.Notification) []session.Notification) main.Pair {
		m := fewCuts()
		m.Fault = fault
		return m
	}
	for name, c := range map[string]struct {
		mode   main.Pair
		broken []string
	}{
		"dropped": {faulty(newChosen().drop), []string{
			"book: lost", "trades: lost", "ticker: lost", "breaks of a book's chain, as the consumer sees it", "trades skipped",
		}},
		"repeated": {faulty(newChosen().repeat), []string{
			"book: duplicated", "trades: duplicated", "ticker: duplicated", "breaks of a book's chain, as the consumer sees it",
			"trades told twice",
		}},
		"spoilt": {faulty(func(n session.Notification) []session.Notification {
			n.Data = []byte("?")
			return []session.Notification{n}
		}), []string{"book: other errors", "trades: other errors", "trades: told to nobody else", "snapshots of books"}},
		"both cut": {both, []string{"book: gap markers", "trades: gap markers", "ticker: gap markers", "snapshots of books"}},
		"left": {faulty(func(n session.Notification) []session.Notification {
			left.Go(func() { <-end })
			return []session.Notification{n}
		}), []string{"goroutines"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := soak(t, c.mode, 100*time.Millisecond)
			for _, what := range c.broken {
				isBroken(t, r, what)
			}
		})
	}
}

// TestPairFindsSlowReconnects has each connection after those that the run begins with take its time.
func TestPairFindsSlowReconnects(t *testing.T) {
	m := fewCuts()
	m.For = 3 * time.Second
	r, err := main.Run(m, t.Context(), main.Env{Dialer: &slowDials{quick: 2}, Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	isBroken(t, r, "cuts")
}

// slowDials is a dialer that waits, but for the first times.
type slowDials struct {
	leanws.Dialer
	mu    sync.Mutex // protects quick
	quick int
}

// Dial implements [rpc.Dialer].
func (d *slowDials) Dial(ctx context.Context, cfg rpc.DialConfig) (rpc.Transport, error) {
	d.mu.Lock()
	d.quick--
	isSlow := d.quick < 0
	d.mu.Unlock()
	if isSlow {
		timer := time.NewTimer(2500 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return d.Dialer.Dial(ctx, cfg)
}
