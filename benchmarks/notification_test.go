package benchmarks

import (
	"fmt"
	"testing"

	"github.com/holdfast-ws/holdfast/internal/wirepeer"
	"github.com/holdfast-ws/holdfast/session"
)

// BenchmarkNotification asks what a notification costs from the wire to its consumer: on the reader's goroutine, and on
// another one behind a ring. The floor reads as many raw bytes as they come, 64 KiB at a time.
func BenchmarkNotification(b *testing.B) {
	peer := wirepeer.Start(b)
	const frame = wirepeer.NotificationSize + 4
	for _, transport := range transports {
		for _, handler := range []struct {
			name      string
			subscribe func(*notifications, *testing.B, []string)
		}{{"inline", (*notifications).inline}, {"ring", (*notifications).ring}} {
			b.Run(fmt.Sprintf("transport=%s/handler=%s", transport.name, handler.name), func(b *testing.B) {
				s := dial(b, session.Config{URL: peer.URL(), Dialer: transport.dialer})
				n := newNotifications(b, s, 1)
				handler.subscribe(n, b, channelNames(1))
				alternate(b, "x-floor", bulkRead(b, peer, frame, burst), n.chunk)
			})
		}
	}
}
