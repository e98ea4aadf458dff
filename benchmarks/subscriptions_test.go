package benchmarks

import (
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkSubscriptions asks what a notification costs on a session with many channels, each in its turn. x-10 is the
// ratio to a session with ten.
func BenchmarkSubscriptions(b *testing.B) {
	peer := wirepeer.Start(b)
	for _, channels := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			few, many := subscribed(b, peer, 10), subscribed(b, peer, channels)
			alternate(b, "x-10", few.chunk, many.chunk)
		})
	}
}

func subscribed(b *testing.B, peer *wirepeer.Peer, channels int) *notifications {
	b.Helper()
	s := dial(b, session.Config{URL: peer.URL(), Dialer: fastest})
	n := newNotifications(b, s, channels)
	n.inline(b, channelNames(channels))
	return n
}
