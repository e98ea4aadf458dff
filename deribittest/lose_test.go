package deribittest_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-ws/holdfast/deribittest"
)

// A lost message breaks the chain of its channel, once and for all who follow it, and of no other.
func TestLoseNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := memoryServer(t, deribittest.Config{})
		k := s.AddKey(deribittest.KeyConfig{})
		const other = "book.ETH-PERPETUAL.raw"
		var followers []*client
		for range 2 {
			c := dialMemory(t, s, l)
			c.login(k, "")
			c.channels("public/subscribe", raw, other)
			followers = append(followers, c)
		}
		moves := func(n int) {
			for range n {
				s.Tick()
			}
		}
		moves(5)
		published := s.Published(raw)
		s.LoseNotification(raw)
		s.LoseNotification(raw)
		for s.Published(raw) == published {
			moves(1)
		}
		moves(5)
		for _, c := range followers {
			for channel, want := range map[string]int{raw: 1, other: 0} {
				breaks := 0
				last := c.book(channel).ChangeID
				for n := s.Published(channel)/uint64(len(followers)) - 1; n > 0; n-- {
					e := c.book(channel)
					if e.Previous != last {
						breaks++
					}
					last = e.ChangeID
				}
				if breaks != want {
					t.Errorf("%s: %d breaks, want %d", channel, breaks, want)
				}
			}
		}
	})
}
